"""Webhooks are signed as Stripe signs them, and can be held, lost, doubled, shuffled, repeated."""

import json
import time

import pytest
import stripe
from stripe.events import V1PaymentIntentSucceededEventNotification

from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from payment_worker.devstack.waiting import wait_until
from tests.simulator.builders import a_charge, a_decline, charge_params, the_error
from tests.simulator.webhooks.receiver import Receiver

_SECRET = "whsec_new"
_CHARGED = {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}


@pytest.fixture
def endpoint_id(simulator: Simulator, receiver: Receiver) -> str:
    """The receiver as an endpoint of the simulator."""
    made = simulator.post("webhooks/endpoints", {"url": receiver.url, "secrets": [_SECRET]})
    return str(made["id"])


def _settle(simulator: Simulator) -> None:
    assert simulator.post("webhooks/settle", {"timeout": 10}) == {"settled": True}


def test_a_delivery_is_signed_so_that_stripe_s_library_trusts_it(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver, endpoint_id: str
) -> None:
    intent = a_charge(client, key="k")
    _settle(simulator)
    events = [delivery.event(_SECRET) for delivery in receiver.received]
    assert {event.type for event in events} == _CHARGED
    for event in events:
        assert event.request is not None
        assert (event.request.idempotency_key, event.pending_webhooks) == ("k", 1)
        assert event.data.object["object"] in ("payment_intent", "charge")
    assert intent.id in {event.data.object["id"] for event in events}
    with pytest.raises(stripe.SignatureVerificationError):
        receiver.received[0].event("whsec_other")
    assert simulator.get("webhooks")["delivered"] == 3
    attempts = simulator.get("webhooks/deliveries", event=events[0].id)["deliveries"]
    assert [(attempt["status"], attempt["endpoint"]) for attempt in attempts] == [(200, endpoint_id)]


def test_an_endpoint_may_be_sent_thin_events(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    endpoint = {"url": receiver.url, "secrets": [_SECRET], "event_payload": "thin"}
    simulator.post("webhooks/endpoints", endpoint)
    intent = a_charge(client, key="k")
    _settle(simulator)
    told = [client.parse_event_notification(each.body, each.signature, _SECRET) for each in receiver.received]
    assert {each.type for each in told} == {f"v1.{kind}" for kind in _CHARGED}
    (succeeded,) = [each for each in told if isinstance(each, V1PaymentIntentSucceededEventNotification)]
    assert succeeded.related_object.id == intent.id
    assert succeeded.fetch_related_object().status == "succeeded"
    with pytest.raises(SimulatorError, match="event_payload"):
        simulator.post("webhooks/endpoints", {**endpoint, "event_payload": "fat"})


def test_every_secret_signs_while_one_is_rolled(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver, endpoint_id: str
) -> None:
    simulator.post(f"webhooks/endpoints/{endpoint_id}", {"secrets": ["whsec_old", _SECRET]})
    a_charge(client)
    _settle(simulator)
    assert receiver.types("whsec_old") == receiver.types(_SECRET)


def test_what_was_not_taken_comes_again(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver, endpoint_id: str
) -> None:
    simulator.post(f"webhooks/endpoints/{endpoint_id}", {"types": ["payment_intent.succeeded"]})
    simulator.post("settings", {"webhook_retry_seconds": [60]})
    receiver.status = 503
    a_charge(client)
    _settle(simulator)
    assert simulator.get("webhooks")["waiting_for_retry"] == 1
    receiver.status = 200
    simulator.advance(60)
    receiver.wait_for(lambda received: len(received) == 2)
    first, second = receiver.received
    assert first.event(_SECRET).id == second.event(_SECRET).id
    _settle(simulator)
    assert simulator.get("webhooks")["waiting_for_retry"] == 0


def test_a_receiver_that_is_down_is_tried_for_three_days_only(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.post("webhooks/endpoints", {"url": "http://127.0.0.1:9/", "secrets": ["s"]})
    simulator.post("settings", {"webhook_retry_seconds": [86_400]})
    client.v1.customers.create({})
    for _ in range(5):
        _settle(simulator)
        simulator.advance(86_400)
    _settle(simulator)
    # The first, and one a day later each; real time that passes meanwhile may push the last beyond the third day.
    assert len(simulator.get("webhooks/deliveries")["deliveries"]) in (3, 4)


@pytest.mark.usefixtures("endpoint_id")
def test_held_deliveries_wait_for_release_in_any_order(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"mode": "hold"})
    a_charge(client)
    assert (simulator.get("webhooks")["held"], receiver.received) == (3, [])
    only = {"order": "reverse", "types": ["payment_intent.succeeded", "charge.succeeded"]}
    assert simulator.post("webhooks/release", only) == {"released": 2}
    _settle(simulator)
    assert set(receiver.types(_SECRET)) == {"payment_intent.succeeded", "charge.succeeded"}
    assert simulator.post("webhooks/discard") == {"discarded": 1}


@pytest.mark.usefixtures("endpoint_id")
def test_only_named_types_are_held(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"mode": "hold", "types": ["charge.succeeded"]})
    a_charge(client)
    _settle(simulator)
    assert set(receiver.types(_SECRET)) == _CHARGED - {"charge.succeeded"}


@pytest.mark.usefixtures("endpoint_id")
def test_deliveries_can_be_lost_and_doubled(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"mode": "drop"})
    client.v1.customers.create({})
    simulator.post("webhooks/mode", {"mode": "normal", "drop_probability": 1.0})
    client.v1.customers.create({})
    assert simulator.get("webhooks")["dropped"] == 2
    simulator.post("webhooks/mode", {"drop_probability": 0.0, "copies": 3})
    client.v1.customers.create({})
    _settle(simulator)
    assert len(receiver.received) == 3
    assert len({delivery.event(_SECRET).id for delivery in receiver.received}) == 1


@pytest.mark.usefixtures("endpoint_id")
def test_deliveries_can_be_shuffled(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"shuffle": 50})
    for _ in range(10):
        a_charge(client)
    receiver.wait_for(lambda received: len(received) >= 30)
    created = [delivery.event(_SECRET).id for delivery in receiver.received]
    assert created != sorted(created)


@pytest.mark.usefixtures("endpoint_id")
def test_an_event_is_delivered_again_on_demand(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"mode": "drop"})
    a_charge(client)
    event_id = client.v1.events.list({"limit": 1}).data[0].id
    again = simulator.post("webhooks/redeliver", {"event": event_id, "times": 2})
    assert again == {"statuses": [200, 200]}
    assert receiver.types(_SECRET) == ["payment_intent.succeeded"] * 2
    simulator.post("webhooks/redeliver", {"event": event_id, "secrets": ["whsec_wrong"]})
    with pytest.raises(stripe.SignatureVerificationError):
        receiver.received[-1].event(_SECRET)
    simulator.post("webhooks/redeliver", {"event": event_id, "timestamp": int(time.time()) - 400})
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        receiver.received[-1].event(_SECRET)
    simulator.post("webhooks/redeliver", {"event": event_id, "body": "not json"})
    assert receiver.received[-1].body == b"not json"
    with pytest.raises(SimulatorError, match="404"):
        simulator.post("webhooks/redeliver", {"event": "evt_nobody"})


@pytest.mark.usefixtures("endpoint_id")
def test_an_older_version_has_an_older_shape(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"mode": "drop"})
    intent_id = the_error(a_decline(client, "pm_card_visa_chargeDeclined"))["payment_intent"]["id"]
    (event,) = simulator.get("events", type="payment_intent.payment_failed")["data"]
    for version in ("2020-08-27", "2018-11-08"):
        simulator.post("webhooks/redeliver", {"event": event["id"], "api_version": version})
    recent, oldest = (json.loads(delivery.body) for delivery in receiver.received)
    assert (recent["api_version"], oldest["api_version"]) == ("2020-08-27", "2018-11-08")
    assert "latest_charge" not in recent["data"]["object"]
    assert recent["data"]["object"]["charges"]["data"][0]["payment_intent"] == intent_id
    assert recent["data"]["object"]["status"] == "requires_payment_method"
    assert oldest["data"]["object"]["status"] == "requires_source"


def test_connected_accounts_have_endpoints_of_their_own(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver, endpoint_id: str
) -> None:
    simulator.post(f"webhooks/endpoints/{endpoint_id}", {"accounts": "connected"})
    a_charge(client)
    client.v1.payment_intents.create(charge_params(), {"stripe_account": "acct_other"})
    _settle(simulator)
    assert {delivery.event(_SECRET).account for delivery in receiver.received} == {"acct_other"}


def test_a_disabled_or_removed_endpoint_gets_nothing(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver, endpoint_id: str
) -> None:
    simulator.post(f"webhooks/endpoints/{endpoint_id}", {"enabled": False})
    a_charge(client)
    simulator.post(f"webhooks/endpoints/{endpoint_id}", {"enabled": True})
    simulator.delete(f"webhooks/endpoints/{endpoint_id}")
    a_charge(client)
    _settle(simulator)
    assert receiver.received == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("webhooks/endpoints", {"url": "ftp://x", "secrets": ["s"]}),
        ("webhooks/endpoints", {"url": "http://x", "secrets": []}),
        ("webhooks/endpoints", {"url": "http://x", "secrets": ["s"], "colour": 1}),
        ("webhooks/mode", {"mode": "sometimes"}),
        ("webhooks/release", {"order": "by name"}),
    ],
)
def test_a_wrong_command_changes_nothing(simulator: Simulator, path: str, body: dict[str, object]) -> None:
    with pytest.raises(SimulatorError, match="400"):
        simulator.post(path, body)
    assert simulator.get("webhooks")["endpoints"] == []


@pytest.mark.usefixtures("endpoint_id")
def test_slow_webhooks_arrive_after_a_delay(
    client: stripe.StripeClient, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.post("webhooks/mode", {"delay_seconds": 0.2})
    client.v1.customers.create({})
    assert receiver.received == []
    wait_until(lambda: receiver.received, seconds=10, what="the delivery")
