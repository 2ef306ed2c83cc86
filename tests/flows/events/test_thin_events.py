"""A thin event comes to what its snapshot event would have come to, by whatever way it came and whosever it is."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from payment_worker.domain.attempts.outcome import Absent
from payment_worker.flows.events.event_types import PATHS, SUBJECTS, Subject
from payment_worker.flows.events.fetch import fetch_event
from payment_worker.gateway.webhook import Event, account_in, event_of
from payment_worker.simulator.webhooks.thin import thin
from payment_worker.store import stripe_identity
from payment_worker.store.events.inbox import EventStatus
from payment_worker.store.stripe_identity import Identity
from tests.flows.scene import Scene
from tests.harness.rows import Rows

OUR_ACCOUNT = "acct_simulator"
INBOX = "SELECT stripe_account, status, outcome FROM stripe_event ORDER BY received_at, stripe_account DESC"


def thinned(events: Iterable[Event], **others: object) -> list[Event]:
    """The same events as a destination for thin ones gets them."""
    return [event_of(json.dumps({**thin(event.payload), **others})) for event in events]


def told(rows: Rows) -> set[str]:
    return {row["type"] for row in rows("SELECT type FROM outbox")}


def payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def test_every_object_is_shown_somewhere() -> None:
    # Of the balance nothing is read but that it changed.
    assert set(SUBJECTS.values()) - {Subject.BALANCE} == set(PATHS) == set(Subject) - {Subject.BALANCE}


def test_a_thin_event_of_a_payout_is_processed_without_asking_for_it(scene: Scene) -> None:
    scene.charge()
    scene.advance(3 * 86_400)
    scene.simulator.post("payouts")
    (event,) = scene.events(types=["payout.reconciliation_completed"])
    assert scene.deliver(thinned([event])) == [EventStatus.PROCESSED]


def test_what_became_of_a_payment_is_known_by_thin_events_alone(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    scene.advance(10)
    assert set(scene.deliver(thinned(scene.events()))) <= {EventStatus.PROCESSED, EventStatus.IGNORED}
    known = payment(rows, payment_id)
    assert (known["status"], known["fee"] is None) == ("SUCCEEDED", False)
    intent = known["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 700})
    scene.simulator.post("early_fraud_warnings", {"payment_intent": intent})
    scene.simulator.post("disputes", {"payment_intent": intent})
    scene.deliver(thinned(reversed(scene.events())))
    scene.process_waiting()
    known = payment(rows, payment_id)
    assert (known["amount_refunded"], known["is_disputed"]) == (700, True)
    assert {"PaymentSucceeded", "RefundProcessed", "PaymentSuspected", "DisputeOpened"} <= told(rows)
    assert rows("SELECT 1 FROM reconciliation_finding") == []


def test_a_thin_event_is_its_snapshot_event(scene: Scene) -> None:
    scene.charge()
    (event,) = scene.events(types=["payment_intent.succeeded"])
    assert scene.deliver([*thinned([event]), event]) == [EventStatus.PROCESSED, None]


def test_it_waits_while_its_object_cannot_be_asked_for(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    asking = scene.simulator.fault("unavailable", endpoint="payment_intents.retrieve", times=None)
    events = thinned(scene.events(types=["payment_intent.succeeded"]))
    assert scene.deliver(events) == [EventStatus.RECEIVED]
    scene.simulator.delete(f"faults/{asking}")
    scene.process_waiting()
    assert payment(rows, payment_id)["status"] == "SUCCEEDED"


def test_an_object_that_is_not_there_ends_it(scene: Scene, rows: Rows) -> None:
    scene.charge()
    gone = {"id": "pi_gone", "type": "payment_intent", "url": "/v1/payment_intents/pi_gone"}
    events = thinned(scene.events(types=["payment_intent.succeeded"]), related_object=gone)
    assert scene.deliver(events) == [EventStatus.IGNORED]
    assert rows.one("SELECT outcome FROM stripe_event")["outcome"] == "ABSENT"


@pytest.mark.parametrize("related", [{}, {"related_object": None}])
def test_one_of_no_type_of_ours_is_kept_and_ignored(scene: Scene, related: dict[str, object]) -> None:
    body = {
        "id": "evt_test_1",
        "object": "v2.core.event",
        "type": "v2.core.event_destination.ping",
        "created": "2026-11-22T12:00:00.123Z",
        "livemode": False,
        **related,
    }
    assert scene.deliver([event_of(json.dumps(body))]) == [EventStatus.IGNORED]


def test_one_of_ours_that_names_no_object_waits_for_a_person(scene: Scene, rows: Rows) -> None:
    scene.charge()
    events = thinned(scene.events(types=["payment_intent.succeeded"]), related_object=None)
    assert scene.deliver(events) == [EventStatus.RECEIVED]
    assert rows.one("SELECT outcome FROM stripe_event")["outcome"].startswith("UNREADABLE")


def identify(scene: Scene) -> None:
    """What the first call to Stripe does: note whose key it is."""
    with scene.context.database.begin() as connection:
        stripe_identity.record_first(connection, "", Identity(OUR_ACCOUNT, livemode=False))


@pytest.mark.parametrize("is_thin", [False, True])
def test_an_organisation_names_our_own_account(scene: Scene, rows: Rows, *, is_thin: bool) -> None:
    identify(scene)
    payment_id = scene.charge_unanswered()
    (event,) = scene.events(types=["payment_intent.succeeded"])
    body = {**(thin(event.payload) if is_thin else event.payload), "context": OUR_ACCOUNT}
    assert scene.deliver([event_of(json.dumps(body))]) == [EventStatus.PROCESSED]
    assert rows(INBOX) == [
        {"stripe_account": OUR_ACCOUNT, "status": "PROCESSED", "outcome": "ACCOUNT_CORRECTED"},
        {"stripe_account": "", "status": "PROCESSED", "outcome": "CHANGED"},
    ]
    assert payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert scene.deliver([event]) == [None]


def test_an_organisation_names_an_account_on_ours(scene: Scene, rows: Rows) -> None:
    identify(scene)
    payment_id = scene.charge(payment_method="pm_card_processing", stripe_account="acct_seller")
    scene.simulator.advance(60)
    listed = scene.simulator.get("events", account="acct_seller")["data"]
    (body,) = [each for each in listed if each["type"] == "payment_intent.succeeded"]
    event = event_of(json.dumps({**thin(body), "context": f"{OUR_ACCOUNT}/acct_seller"}))
    assert scene.deliver([event]) == [EventStatus.PROCESSED]
    assert [row["stripe_account"] for row in rows(INBOX)] == [f"{OUR_ACCOUNT}/acct_seller", "acct_seller"]
    assert payment(rows, payment_id)["status"] == "SUCCEEDED"


def test_an_organisations_other_accounts_are_none_of_ours(scene: Scene, rows: Rows) -> None:
    identify(scene)
    scene.charge()
    scene.simulator.post("accounts/disconnect", {"account": "acct_sister"})
    events = thinned(scene.events(types=["payment_intent.succeeded"]), context="acct_sister")
    assert scene.deliver(events) == [EventStatus.IGNORED]
    assert rows.one("SELECT outcome FROM stripe_event")["outcome"] == "FOREIGN"


def test_an_event_that_an_app_names_is_fetched_with_our_key(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    (event,) = scene.events(types=["payment_intent.succeeded"])
    fetched = fetch_event(scene.context, event.event_id, account="")
    assert isinstance(fetched, Event)
    assert scene.deliver([fetched, event]) == [EventStatus.PROCESSED, None]
    assert payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert isinstance(fetch_event(scene.context, "evt_forged", account=""), Absent)


def test_it_is_of_the_account_that_it_was_fetched_from(scene: Scene) -> None:
    scene.charge(stripe_account="acct_seller")
    (event, *_) = scene.simulator.get("events", account="acct_seller")["data"]
    fetched = fetch_event(scene.context, event["id"], account="acct_seller")
    assert isinstance(fetched, Event)
    assert (fetched.stripe_account, fetched.payload["context"]) == ("acct_seller", None)
    assert isinstance(fetch_event(scene.context, event["id"], account=""), Absent)


@pytest.mark.parametrize(
    ("stripe_context", "account"),
    [
        ("acct_1", ""),
        ("acct_1/acct_2", "acct_2"),
        ("acct_2", "acct_2"),
        ("acct_12", "acct_12"),
        ("acct_3/acct_2", "acct_2"),
    ],
)
def test_the_forms_of_a_context(stripe_context: str, account: str) -> None:
    assert account_in(stripe_context, own_account="acct_1") == account
