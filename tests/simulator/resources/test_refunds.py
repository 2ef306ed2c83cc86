"""A refund never gives back more than was taken, and what fails is the charge's again."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import (
    a_charge,
    a_decline,
    a_refund,
    charge_of,
    event_types,
    the_body,
    the_error,
)


def test_a_plain_refund_succeeds_and_is_touched_once_more(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client, capture_method="automatic")
    refund = a_refund(client, intent, reason="requested_by_customer", metadata={"refund_id": "r1"})
    assert (refund.status, refund.amount, refund.reason) == ("succeeded", 1099, "requested_by_customer")
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (1099, True)
    assert event_types(client)[3:] == ["charge.refunded", "refund.created", "charge.refund.updated"]
    simulator.advance(1)
    (update,) = client.v1.events.list({"type": "refund.updated"}).data
    assert update.data.previous_attributes is not None
    assert list(update.data.previous_attributes.to_dict()) == ["destination_details"]


def test_partial_refunds_add_up_to_the_charge_and_no_further(client: stripe.StripeClient) -> None:
    intent = a_charge(client)
    a_refund(client, intent, amount=600)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as caught:
        a_refund(client, intent, amount=500)
    assert (caught.value.param, the_error(caught.value).get("code")) == ("amount", None)
    a_refund(client, intent, amount=499)
    assert charge_of(client, intent).refunded
    with pytest.raises(stripe.InvalidRequestError) as full:
        a_refund(client, intent, amount=1)
    assert the_error(full.value)["code"] == "charge_already_refunded"
    assert len(client.v1.refunds.list({"payment_intent": intent.id}).data) == 2


def test_a_pending_refund_succeeds_later(client: stripe.StripeClient, simulator: Simulator) -> None:
    refund = a_refund(client, a_charge(client, payment_method="pm_card_pendingRefund"))
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    simulator.advance(10)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert "refund.updated" in event_types(client)


def test_a_refund_that_fails_later_gives_its_amount_back(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client, payment_method="pm_card_refundFail")
    refund = a_refund(client, intent, amount=400)
    assert refund.status == "succeeded"
    simulator.advance(10)
    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert charge_of(client, intent).amount_refunded == 0
    assert {"refund.failed", "charge.refund.updated"} <= set(event_types(client))
    assert a_refund(client, intent, amount=1099).status == "succeeded"


def test_any_refund_can_be_made_to_fail(client: stripe.StripeClient, simulator: Simulator) -> None:
    refund = a_refund(client, a_charge(client))
    simulator.post(f"refunds/{refund.id}/fail", {"failure_reason": "expired_or_canceled_card"})
    assert client.v1.refunds.retrieve(refund.id).failure_reason == "expired_or_canceled_card"


def test_only_a_pending_refund_is_canceled(client: stripe.StripeClient) -> None:
    intent = a_charge(client, payment_method="pm_card_pendingRefund")
    assert client.v1.refunds.cancel(a_refund(client, intent).id).status == "canceled"
    assert charge_of(client, intent).amount_refunded == 0
    with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
        client.v1.refunds.cancel(a_refund(client, a_charge(client)).id)


def test_what_was_not_captured_is_not_refunded(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"not been captured.*Cancel"):
        a_refund(client, a_charge(client, capture_method="manual"))


def test_what_did_not_succeed_is_not_refunded(client: stripe.StripeClient) -> None:
    intent_id = the_error(a_decline(client, "pm_card_visa_chargeDeclined"))["payment_intent"]["id"]
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intent_id})


def test_a_disputed_charge_is_not_refunded(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client)
    simulator.post("disputes", {"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        a_refund(client, intent)
    assert the_error(caught.value)["code"] == "charge_disputed"


def test_a_refund_by_charge_is_the_same(client: stripe.StripeClient) -> None:
    charge = charge_of(client, a_charge(client))
    assert (
        client.v1.refunds.create({"charge": charge.id, "amount": 1}).payment_intent == charge.payment_intent
    )
    assert len(client.v1.refunds.list({"charge": charge.id}).data) == 1


def test_somebody_refunds_in_the_dashboard(client: stripe.StripeClient, simulator: Simulator) -> None:
    intent = a_charge(client)
    refund = simulator.post(f"payment_intents/{intent.id}/refund", {"amount": 99})
    assert the_body(client.v1.refunds.retrieve(refund["id"]))["metadata"] == {}
    (event,) = client.v1.events.list({"type": "refund.created"}).data
    assert event.request is not None
    assert (event.request.id, event.request.idempotency_key) == (None, None)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "payment_intent"),
        ({"payment_intent": "pi_nobody"}, "payment_intent"),
        ({"charge": "ch_0"}, "charge"),
    ],
)
def test_a_refund_needs_something_to_refund(
    client: stripe.StripeClient, params: stripe.params.RefundCreateParams, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create(params)
    assert caught.value.param == param


def test_metadata_of_a_refund_can_be_changed(client: stripe.StripeClient) -> None:
    refund = a_refund(client, a_charge(client))
    changed = client.v1.refunds.update(refund.id, {"metadata": {"a": "b"}})
    assert the_body(changed)["metadata"] == {"a": "b"}
