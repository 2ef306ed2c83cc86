"""An API key belongs to one account and one mode, and sees the objects of these only."""

from contextlib import ExitStack

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from tests.simulator.builders import a_charge, a_client, event_types
from tests.simulator.webhooks.receiver import Receiver

_ACCOUNT = "acct_1SecondPlatform0"
_TEST_KEY, _LIVE_KEY = "sk_test_51SecondPlatform0x1", "rk_live_51SecondPlatform00x2"


def _account_id(client: stripe.StripeClient) -> str:
    return client.v1.accounts.retrieve_current().id


def _is_live(client: stripe.StripeClient) -> bool:
    return client.v1.balance.retrieve().livemode


def test_a_key_selects_its_account_and_mode(client: stripe.StripeClient, simulator: Simulator) -> None:
    with ExitStack() as clients:
        test, live, other = (
            clients.enter_context(a_client(simulator.url, timeout_seconds=10, api_key=key))
            for key in (_TEST_KEY, _LIVE_KEY, "sk_live_short")
        )
        assert (_account_id(test), _is_live(test)) == (_ACCOUNT, False)
        assert (_account_id(live), _is_live(live)) == (_ACCOUNT, True)
        assert (_account_id(other), _is_live(other)) == ("acct_simulator", True)
        assert (_account_id(client), _is_live(client)) == ("acct_simulator", False)


def test_accounts_and_modes_share_no_objects_and_no_idempotency_keys(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    with ExitStack() as clients:
        others = [
            clients.enter_context(a_client(simulator.url, timeout_seconds=10, api_key=key))
            for key in (_TEST_KEY, _LIVE_KEY)
        ]
        all_clients = [client, *others]
        made = [a_charge(one, key="the same", amount=1000 + at) for at, one in enumerate(all_clients)]
        assert [intent.livemode for intent in made] == [False, False, True]
        for one, intent in zip(all_clients, made, strict=True):
            assert [found.id for found in one.v1.payment_intents.list().data] == [intent.id]
            assert {event.livemode for event in one.v1.events.list().data} == {intent.livemode}
            with pytest.raises(stripe.InvalidRequestError, match="No such"):
                one.v1.payment_intents.retrieve(made[made.index(intent) - 1].id)


def test_the_control_api_reaches_every_account_and_mode(simulator: Simulator) -> None:
    there = {"account": _ACCOUNT, "livemode": True}
    made = simulator.post("payment_intents", {**there, "amount": 500, "currency": "eur"})
    assert made["livemode"]
    lines = simulator.ledger(account=_ACCOUNT, livemode="true")["payment_intents"]
    assert [line["id"] for line in lines] == [made["id"]]
    assert simulator.ledger(account=_ACCOUNT)["payment_intents"] == []
    assert simulator.get("events", type="charge.succeeded", account=_ACCOUNT, livemode="true")["data"]
    with pytest.raises(SimulatorError, match="livemode must be"):
        simulator.post("payment_intents", {**there, "livemode": "both"})


def test_a_second_platform_s_events_name_no_connected_account(
    simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/endpoints", {"url": receiver.url, "secrets": ["whsec_x"], "accounts": "own"})
    with a_client(simulator.url, timeout_seconds=10, api_key=_TEST_KEY) as second:
        a_charge(second)
        assert event_types(second)
    simulator.post("webhooks/settle")
    assert receiver.received
    assert all("account" not in delivery.event("whsec_x").to_dict() for delivery in receiver.received)


def test_a_platform_may_name_itself(simulator: Simulator) -> None:
    with a_client(simulator.url, timeout_seconds=10, api_key=_TEST_KEY, account=_ACCOUNT) as itself:
        assert _account_id(itself) == _ACCOUNT
        a_charge(itself)
        assert itself.v1.events.list().data[0].to_dict().get("account") is None


@pytest.mark.parametrize("named", [None, "acct_simulator"])
def test_a_platform_is_never_disconnected_from_itself(simulator: Simulator, named: str | None) -> None:
    with pytest.raises(SimulatorError, match="400"):
        simulator.post("accounts/disconnect", {} if named is None else {"account": named})


def test_metadata_are_kept_as_they_come_whoever_sends_them(client: stripe.StripeClient) -> None:
    forged = {"payment_id": "not ours", "payment_worker_mac": "v1:00"}
    assert a_charge(client, metadata=forged).metadata.to_dict() == forged
