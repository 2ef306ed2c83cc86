"""A platform's fee and the transfer to a connected account move with a charge, and back with its refund."""

from typing import Any

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.api.shapes import answer_faults
from tests.simulator.builders import a_charge, a_client, a_refund, charge_of

SELLER = "acct_seller"


def _net(simulator: Simulator, account: str | None = None) -> int:
    """What all balance transactions of an account come to."""
    with a_client(simulator.url, timeout_seconds=10, account=account) as client:
        return sum(each.net for each in client.v1.balance_transactions.list({"limit": 100}).data)


def _line(simulator: Simulator, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401
    line: dict[str, Any] = simulator.ledger(**wanted)["payment_intents"][0]
    return line


def test_a_destination_charge_transfers_all_and_takes_its_fee_there(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(
        client,
        amount=10_000,
        capture_method="automatic",
        application_fee_amount=1_000,
        on_behalf_of=SELLER,
        transfer_data={"destination": SELLER},
    )
    assert (_net(simulator), _net(simulator, SELLER)) == (-320 + 1_000, 9_000)
    charge = charge_of(client, intent)
    (transfer,) = client.v1.transfers.list({"destination": SELLER}).data
    (fee,) = client.v1.application_fees.list().data
    assert (transfer.amount, transfer.source_transaction, fee.amount) == (10_000, charge.id, 1_000)
    assert charge.transfer == transfer.id


def test_a_direct_charge_pays_its_fee_to_the_platform(simulator: Simulator) -> None:
    with a_client(simulator.url, timeout_seconds=10, account=SELLER) as seller:
        intent = a_charge(seller, amount=10_000, capture_method="automatic", application_fee_amount=1_000)
        assert (_net(simulator), _net(simulator, SELLER)) == (1_000, 10_000 - 320 - 1_000)
        a_refund(seller, intent, amount=5_000, refund_application_fee=True)
    assert _net(simulator) == 500
    assert _line(simulator, account=SELLER)["application_fee"] == 500


def test_a_refund_takes_back_its_share_and_the_last_one_the_rest(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client, amount=1_000, transfer_data={"destination": SELLER, "amount": 333})
    first = a_refund(client, intent, amount=500, reverse_transfer=True)
    assert first.transfer_reversal is not None
    assert _line(simulator)["transferred"] == 333 - 166
    a_refund(client, intent, reverse_transfer=True)
    assert _line(simulator)["transferred"] == 0
    assert a_refund(client, a_charge(client, transfer_data={"destination": SELLER})).transfer_reversal is None


def test_a_fee_is_capped_at_what_is_captured(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(
        client, capture_method="manual", application_fee_amount=500, transfer_data={"destination": SELLER}
    )
    client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 300})
    line = _line(simulator)
    assert (line["application_fee"], line["transferred"]) == (300, 300)


@pytest.mark.parametrize(
    "wrong",
    [
        {"application_fee_amount": 10},
        {"application_fee_amount": 10, "transfer_data": {"destination": SELLER, "amount": 5}},
        {"application_fee_amount": 2_000, "transfer_data": {"destination": SELLER}},
        {"transfer_data": {"destination": "acct_gone"}},
        {"transfer_data": {"destination": SELLER, "colour": "red"}},
        {"setup_future_usage": "off_session"},
    ],
)
def test_a_split_that_cannot_be_is_refused(
    client: stripe.StripeClient, simulator: Simulator, wrong: dict[str, Any]
) -> None:
    simulator.post("accounts/disconnect", {"account": "acct_gone"})
    with pytest.raises(stripe.InvalidRequestError):
        a_charge(client, **wrong)


@pytest.mark.parametrize("wrong", [{"reverse_transfer": True}, {"refund_application_fee": True}])
def test_nothing_is_taken_back_of_what_was_not_split(
    client: stripe.StripeClient, wrong: dict[str, Any]
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        a_refund(client, a_charge(client), **wrong)


def test_its_events_fit(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(
        client, application_fee_amount=100, transfer_data={"destination": SELLER}, capture_method="automatic"
    )
    a_refund(client, intent, reverse_transfer=True, refund_application_fee=True)
    kinds: dict[str, type[stripe.StripeObject]] = {
        "transfer": stripe.Transfer,
        "application_fee": stripe.ApplicationFee,
        "charge": stripe.Charge,
        "refund": stripe.Refund,
        "payment_intent": stripe.PaymentIntent,
    }
    seen = [*simulator.get("events")["data"], *simulator.get("events", account=SELLER)["data"]]
    for event in seen:
        record = event["data"]["object"]
        assert answer_faults(event, stripe.Event) == []
        assert answer_faults(record, kinds[record["object"]]) == []
    assert {
        "transfer.created",
        "transfer.reversed",
        "application_fee.created",
        "application_fee.refunded",
    } <= {event["type"] for event in seen}
