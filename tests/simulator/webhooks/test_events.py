"""Events tell every change, newest first, and some of them late."""

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import a_charge, a_client, event_types


def test_an_event_names_the_request_that_caused_it(client: stripe.StripeClient) -> None:
    intent = a_charge(client, key="k1")
    newest = client.v1.events.list({"limit": 1}).data[0]
    assert newest.type == "payment_intent.succeeded"
    assert newest.data.object["id"] == intent.id
    assert newest.request is not None
    assert newest.request.idempotency_key == "k1"
    assert client.v1.events.retrieve(newest.id).type == newest.type


def test_a_snapshot_stays_as_it_was(client: stripe.StripeClient) -> None:
    intent = a_charge(client, metadata={"a": "old"})
    client.v1.payment_intents.update(intent.id, {"metadata": {"a": "new"}})
    (event,) = client.v1.events.list({"type": "payment_intent.created"}).data
    assert event.data.object["status"] == "requires_confirmation"
    assert event.data.object["metadata"]["a"] == "old"


def test_types_and_time_narrow_the_list(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_charge(client)
    simulator.advance(100)
    later = a_charge(client)
    both = event_types(client, types=["charge.succeeded", "payment_intent.succeeded"])
    assert both == ["charge.succeeded", "payment_intent.succeeded"] * 2
    assert event_types(client, type="payment_intent.*", created={"gte": later.created}) == [
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


@pytest.mark.parametrize("params", [{"limit": 101}, {"types": ["x"] * 21}, {"type": "x", "types": ["y"]}])
def test_stripe_s_limits_hold(client: stripe.StripeClient, params: stripe.params.EventListParams) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list(params)


def test_pages_have_no_gaps(client: stripe.StripeClient) -> None:
    for _ in range(4):
        a_charge(client)
    seen = [event.id for event in client.v1.events.list({"limit": 5}).auto_paging_iter()]
    assert len(seen) == len(set(seen)) == 12


def test_an_older_event_can_appear_after_a_newer_one(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.post("settings", {"event_lag_seconds": 60, "event_lag_every": 2})
    a_charge(client)
    assert event_types(client) == ["payment_intent.created", "payment_intent.succeeded"]
    simulator.advance(60)
    assert "charge.succeeded" in event_types(client)
    assert len(simulator.get("events", type="charge.succeeded")["data"]) == 1


def test_what_is_late_shows_before_the_clock_is_set(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.post("settings", {"event_lag_seconds": 60, "clock_skew_seconds": -400})
    a_charge(client)
    assert event_types(client) == []
    simulator.post("settings", {"event_lag_seconds": 0})
    assert event_types(client) == []
    simulator.post("settings", {"clock_skew_seconds": 0})
    assert "charge.succeeded" in event_types(client)


def test_one_change_can_make_two_events(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.post("settings", {"event_copies": 2})
    a_charge(client)
    assert len(client.v1.events.list({"type": "charge.succeeded"}).data) == 2


def test_events_are_forgotten_after_a_month(client: stripe.StripeClient, simulator: Simulator) -> None:
    a_charge(client)
    simulator.advance(31 * 86_400)
    assert event_types(client) == []


def test_a_connected_account_has_objects_of_its_own(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    with a_client(simulator.url, timeout_seconds=10, account="acct_other") as theirs:
        intent = a_charge(theirs)
        assert theirs.v1.events.list().data[0].account == "acct_other"
    assert event_types(client) == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.retrieve(intent.id)


def test_any_event_can_be_made_up(client: stripe.StripeClient, simulator: Simulator) -> None:
    made = simulator.post("events", {"type": "plan.created", "object": {"id": "p", "object": "plan"}})
    assert client.v1.events.retrieve(made["id"]).data.object["id"] == "p"
