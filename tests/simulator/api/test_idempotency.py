"""A key executes once, replays what it answered, and is forgotten after a day."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import wait_until
from tests.simulator.builders import a_charge, a_decline, a_refund, charge_params, the_error


def _effects(simulator: Simulator) -> int:
    return sum(line["effects"] for line in simulator.ledger()["payment_intents"])


def test_the_same_key_replays_its_answer(client: stripe.StripeClient, simulator: Simulator) -> None:
    first, again = a_charge(client, key="k"), a_charge(client, key="k")
    assert (first.id, again.status) == (again.id, "succeeded")
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert _effects(simulator) == 1
    assert [entry["replayed"] for entry in simulator.journal(key="k")] == [False, True]


def test_a_decline_is_replayed_too(client: stripe.StripeClient, simulator: Simulator) -> None:
    errors = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            a_charge(client, key="k", payment_method="pm_card_visa_chargeDeclined")
        errors.append(the_error(caught.value)["payment_intent"]["id"])
    assert errors[0] == errors[1]
    assert len(simulator.ledger()["payment_intents"]) == 1


def test_other_parameters_under_a_key_are_refused(client: stripe.StripeClient) -> None:
    intent = a_charge(client, key="k")
    with pytest.raises(stripe.IdempotencyError) as caught:
        a_charge(client, key="k", amount=1100)
    body = the_error(caught.value)
    assert (caught.value.http_status, body["type"], "code" in body) == (400, "idempotency_error", False)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})


def test_parameter_errors_leave_the_key_free(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        a_charge(client, key="k", amount=1)
    assert a_charge(client, key="k").status == "succeeded"


def test_a_refusal_by_state_is_kept(client: stripe.StripeClient) -> None:
    intent = a_charge(client)
    a_refund(client, intent)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "k"})
    assert caught.value.headers is not None
    assert caught.value.headers["Idempotent-Replayed"] == "true"


def test_a_key_in_flight_is_a_conflict(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.fault("latency", seconds=1.0)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(a_charge, client, "k")
        wait_until(lambda: simulator.journal(key="k"), seconds=10)
        with pytest.raises(stripe.APIError) as caught:
            a_charge(client, key="k")
        assert slow.result().status == "succeeded"
    assert (caught.value.http_status, the_error(caught.value)["code"]) == (409, "idempotency_key_in_use")
    assert _effects(simulator) == 1


def test_many_at_once_under_one_key_charge_once(client: stripe.StripeClient, simulator: Simulator) -> None:
    def try_it(_number: int) -> str:
        try:
            return a_charge(client, key="k").id
        except stripe.APIError as error:
            return str(error.http_status)

    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(try_it, range(24)))
    assert len(outcomes - {"409"}) == 1
    assert _effects(simulator) == 1


def test_a_key_is_forgotten_after_a_day(client: stripe.StripeClient, simulator: Simulator) -> None:
    first = a_charge(client, key="k")
    simulator.advance(86_300)
    assert a_charge(client, key="k").id == first.id
    simulator.advance(200)
    assert a_charge(client, key="k").id != first.id
    assert _effects(simulator) == 2


def test_keys_are_per_account(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_charge(client, key="k")
    other = client.v1.payment_intents.create(
        charge_params(), {"idempotency_key": "k", "stripe_account": "acct_2"}
    )
    assert simulator.ledger(account="acct_2")["payment_intents"][0]["id"] == other.id


def test_a_key_has_a_length(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        a_charge(client, key="k" * 256)


def test_declines_without_a_key_are_separate(client: stripe.StripeClient, simulator: Simulator) -> None:
    for _ in range(2):
        a_decline(client, "pm_card_visa_chargeDeclined")
    assert len(simulator.ledger()["payment_intents"]) == 2
