"""Endpoints of versions before 2025-03-31.basil are told of a Refund for released funds, which ours does not know."""

from collections.abc import Callable

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import a_charge, event_types
from tests.simulator.webhooks.receiver import Receiver

_SECRET = "whsec_planted"
_OF_REFUNDS = ["charge.refunded", "refund.created", "charge.refund.updated"]


def _partly_captured(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> None:
    client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1000})


def _canceled(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> None:
    client.v1.payment_intents.cancel(intent.id)


def _listen(simulator: Simulator, receiver: Receiver, api_version: str | None) -> None:
    endpoint = {"url": receiver.url, "secrets": [_SECRET], "api_version": api_version}
    simulator.post("webhooks/endpoints", endpoint)


def _received(simulator: Simulator, receiver: Receiver) -> dict[str, dict[str, object]]:
    simulator.post("webhooks/settle")
    events = [delivery.event(_SECRET).to_dict() for delivery in receiver.received]
    return {event["type"]: event["data"]["object"] for event in events}


@pytest.mark.parametrize(
    ("release", "amount"), [(_partly_captured, 99), (_canceled, 1099)], ids=["captured", "canceled"]
)
def test_an_older_endpoint_is_sent_a_refund_that_our_version_does_not_find(
    client: stripe.StripeClient,
    simulator: Simulator,
    receiver: Receiver,
    release: Callable[[stripe.StripeClient, stripe.PaymentIntent], None],
    amount: int,
) -> None:
    _listen(simulator, receiver, "2024-06-20")
    intent = a_charge(client, capture_method="manual")
    release(client, intent)
    received = _received(simulator, receiver)
    assert set(_OF_REFUNDS) <= received.keys()
    assert received["charge.refunded"]["amount_refunded"] == amount
    refund = received["charge.refund.updated"]
    assert (refund["amount"], refund["payment_intent"], refund["status"]) == (amount, intent.id, "succeeded")
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.refunds.retrieve(str(refund["id"]))
    assert unknown.value.http_status == 404
    assert not set(_OF_REFUNDS) & set(event_types(client))


def test_an_older_endpoint_is_sent_an_expiry_in_its_own_words(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    _listen(simulator, receiver, "2025-02-24.acacia")
    simulator.post(f"payment_intents/{a_charge(client, capture_method='manual').id}/expire")
    received = _received(simulator, receiver)
    assert received["payment_intent.canceled"]["cancellation_reason"] == "automatic"
    assert (received["charge.expired"]["refunded"], received["charge.expired"]["amount_refunded"]) == (
        True,
        1099,
    )
    assert received["charge.refund.updated"]["reason"] == "expired_uncaptured_charge"


@pytest.mark.parametrize("api_version", [None, "2025-03-31.basil", "2026-10-28.endive"])
def test_a_recent_endpoint_gets_no_refund_event(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver, api_version: str | None
) -> None:
    _listen(simulator, receiver, api_version)
    simulator.post(f"payment_intents/{a_charge(client, capture_method='manual').id}/expire")
    _partly_captured(client, a_charge(client, capture_method="manual"))
    _canceled(client, a_charge(client, capture_method="manual"))
    received = _received(simulator, receiver)
    assert not set(_OF_REFUNDS) & received.keys()
    assert received["charge.expired"]["refunded"] is False
    assert received["charge.captured"]["amount_refunded"] == 0
