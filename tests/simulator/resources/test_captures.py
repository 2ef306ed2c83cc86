"""An authorisation is captured once, canceled, or expires."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import a_charge, charge_of, event_types, the_error


def _authorised(client: stripe.StripeClient) -> stripe.PaymentIntent:
    intent = a_charge(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 1099)
    assert event_types(client)[-1] == "payment_intent.amount_capturable_updated"
    return intent


def test_a_capture_takes_all(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.capture(_authorised(client).id)
    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 1099, 0)
    assert charge_of(client, intent).captured
    assert {"charge.captured", "payment_intent.succeeded"} <= set(event_types(client)[-3:])


def test_a_part_can_be_captured_and_makes_no_refund(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.capture(_authorised(client).id, {"amount_to_capture": 500})
    charge = charge_of(client, intent)
    assert (intent.amount_received, charge.amount_captured, charge.amount_refunded) == (500, 500, 0)
    assert not client.v1.refunds.list().data
    assert not {"charge.refunded", "charge.refund.updated", "refund.created"} & set(event_types(client))


def test_more_than_authorised_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.capture(_authorised(client).id, {"amount_to_capture": 1100})
    assert the_error(caught.value)["code"] == "amount_too_large"


def test_a_second_capture_is_refused(client: stripe.StripeClient) -> None:
    intent = _authorised(client)
    client.v1.payment_intents.capture(intent.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.capture(intent.id)
    assert the_error(caught.value)["code"] == "payment_intent_unexpected_state"


def test_a_cancel_lets_the_money_go(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.cancel(_authorised(client).id, {"cancellation_reason": "duplicate"})
    assert (intent.status, intent.cancellation_reason) == ("canceled", "duplicate")
    charge = charge_of(client, intent)
    assert (charge.captured, charge.amount_captured) == (False, 0)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert not client.v1.refunds.list().data
    assert event_types(client)[-2:] == ["payment_intent.amount_capturable_updated", "payment_intent.canceled"]


def test_an_authorisation_expires_after_a_week(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = _authorised(client)
    simulator.advance(7 * 86_400 - 60)
    assert client.v1.payment_intents.retrieve(intent.id).status == "requires_capture"
    simulator.advance(60)
    expired = client.v1.payment_intents.retrieve(intent.id)
    assert (expired.status, expired.cancellation_reason) == ("canceled", "expired")
    charge = charge_of(client, expired)
    assert (charge.refunded, charge.amount_refunded, charge.amount_captured) == (False, 0, 0)
    assert not client.v1.refunds.list().data
    assert event_types(client)[-2:] == ["charge.expired", "payment_intent.canceled"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.capture(intent.id)
    assert the_error(caught.value)["code"] == "payment_intent_unexpected_state"


def test_a_captured_one_does_not_expire(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = _authorised(client)
    client.v1.payment_intents.capture(intent.id)
    simulator.advance(8 * 86_400)
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_the_dashboard_captures_cancels_and_lets_expire(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    for what, status in (("capture", "succeeded"), ("cancel", "canceled"), ("expire", "canceled")):
        intent = _authorised(client)
        assert simulator.post(f"payment_intents/{intent.id}/{what}")["status"] == status
