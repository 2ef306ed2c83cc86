"""E4: whatever order a payment's events come in, and however often, the rows end the same."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payment_worker.flows.events.event_types import SUBJECTS
from payment_worker.gateway.webhook import Event
from tests.flows.scene import Scene, signed_metadata
from tests.harness.length import examples
from tests.harness.rows import Rows

EMPTY = """
SET session_replication_role = replica;
DELETE FROM payment_attempt; DELETE FROM payment; DELETE FROM refund; DELETE FROM dispute; DELETE FROM payment_history;
DELETE FROM stripe_event; DELETE FROM outbox; DELETE FROM reconciliation_finding;
SET session_replication_role = origin;
"""
"""Without the guard of the append-only history, which this test would have to go around otherwise."""

REQUESTED = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, fingerprint,
    created_at, updated_at)
VALUES (%s, %s, 5000, 'EUR', 'REQUESTED', 'pm_card_visa', 'automatic', 'f', now(), now())
"""

UNANSWERED = """
INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status, tries, lease_token,
    never_sent, next_action_at, first_sent_at, sent_until, created_at)
VALUES (%s, 1, 'charge', '/v1/payment_intents', '{}', %s, 'OPEN', 0, 1, false, now() + interval '1 year', now(), now(),
    now())
"""
"""Whose answer never comes: events tell all that is known."""

ENDS = (
    "SELECT status, amount_captured, amount_refunded, amount_refund_reserved, is_disputed, fee, net FROM payment",
    "SELECT refund_id, status, amount, stripe_refund_id, failure_reason FROM refund ORDER BY refund_id",
    "SELECT stripe_dispute_id, status, amount, payment_id FROM dispute",
    "SELECT count(*) FROM stripe_event WHERE status NOT IN ('PROCESSED', 'IGNORED')",
    "SELECT kind, object_id FROM reconciliation_finding",
)


ORDER = UUID("00000000-0000-4000-8000-00000000000a")


RETURN = {"return_url": "https://shop.example/done"}


def key_of(payment_id: UUID) -> str:
    return f"{payment_id}:charge:1"


@pytest.fixture
def payment_id() -> UUID:
    return uuid4()


@pytest.fixture
def life(scene: Scene, payment_id: UUID) -> list[Event]:
    """Success, two partial refunds, one that fails, and a dispute that is won: all its events."""
    made = {"amount": "5000", "currency": "eur", "payment_method": "pm_card_processing", "confirm": "true"}
    signed = signed_metadata(scene.context, payment_id, ORDER, amount=5000)
    intent = scene.at_stripe(
        "/v1/payment_intents",
        {**made, **RETURN, **{f"metadata[{name}]": value for name, value in signed.items()}},
        key=key_of(payment_id),
    )
    scene.simulator.advance(10)
    for amount in (1000, 300):
        scene.simulator.post(f"payment_intents/{intent['id']}/refund", {"amount": amount})
    failing = scene.simulator.post(f"payment_intents/{intent['id']}/refund", {"amount": 70})
    scene.simulator.post(f"refunds/{failing['id']}/fail")
    dispute = scene.simulator.post("disputes", {"payment_intent": intent["id"]})
    scene.simulator.post(f"disputes/{dispute['id']}/update", {"evidence": {"receipt": "file_1"}})
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})
    scene.simulator.advance(10)
    return [event for event in scene.events() if event.type in SUBJECTS]


def end_of(scene: Scene, rows: Rows, payment_id: UUID, events: list[Event]) -> list[Any]:
    """The rows once these events have come, in this order."""
    rows(EMPTY)
    rows(REQUESTED, str(payment_id), str(ORDER))
    rows(UNANSWERED, str(payment_id), key_of(payment_id))
    scene.deliver(events)
    scene.process_waiting()
    return [[tuple(row.values()) for row in rows(query)] for query in ENDS]


@pytest.mark.timeout(600)
def test_any_order_of_a_payments_events_ends_in_the_same_rows(
    scene: Scene, rows: Rows, payment_id: UUID, life: list[Event]
) -> None:
    assert len(life) > 15
    expected = end_of(scene, rows, payment_id, life)
    ((status, captured, refunded, reserved, is_disputed, *_),) = expected[0]
    assert (status, captured, refunded, reserved, is_disputed) == ("SUCCEEDED", 5000, 1300, 1300, False)
    assert len(expected[1]) == 3

    @settings(
        max_examples=examples(10, long=400),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(order=st.permutations(life), repeated=st.lists(st.sampled_from(life), max_size=6))
    def ends_the_same(order: list[Event], repeated: list[Event]) -> None:
        assert end_of(scene, rows, payment_id, [*order, *repeated]) == expected
        told = rows("SELECT type, message_id FROM outbox")
        for once in ("PaymentSucceeded", "DisputeOpened", "DisputeClosed"):
            assert sum(row["type"] == once for row in told) == 1, told

    ends_the_same()
