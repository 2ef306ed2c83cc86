"""Whatever Stripe says of an object ends recorded or as a finding: no CHECK, type or length stands in its way."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions.disputes import DisputeMoved
from payment_worker.domain.transitions.verdicts import Advanced, PaymentBehind, Unchanged
from payment_worker.flows.transitions.apply import Applied, NotShown, apply_snapshot
from payment_worker.flows.transitions.refresh import ObjectKind, Snapshot, Target
from payment_worker.gateway.parsing import (
    UnreadableError,
    dispute_snapshot,
    payment_intent_snapshot,
    refund_snapshot,
)
from payment_worker.store.records.history import Cause
from tests.flows.scene import Scene
from tests.harness.length import examples
from tests.harness.rows import Rows

DRAWS = examples(150, long=5000)
"""Snapshots drawn for each kind of object."""

PAYMENT = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, amount_captured, amount_authorized, failure_reason,
                     stripe_payment_intent_id, payment_method, capture_method, fingerprint, created_at, updated_at)
SELECT %s, order_id, 5000, 'EUR', %s::text, CASE WHEN %s::text = 'SUCCEEDED' THEN 5000 ELSE 0 END, 0,
       CASE WHEN %s::text = 'FAILED' THEN 'unknown' END, %s, payment_method, capture_method, fingerprint, now(), now()
FROM payment LIMIT 1
"""
STATUSES = ("REQUESTED", "PROCESSING", "REQUIRES_ACTION", "AUTHORIZED", "SUCCEEDED", "FAILED", "CANCELED")

amounts = st.one_of(
    st.sampled_from([0, 1, 4999, 5000, 5001, 2**31, 2**63 - 1, 2**63, -1, None, "5000", 5000.5, True]),
    st.integers(-(2**70), 2**70),
)
texts = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(["", "\0", "\ud800", "x" * 100_000, "https://a/?secret=1", "new_in_2031"]),
    st.integers(),
    st.lists(st.text(max_size=3), max_size=2),
)
currencies = st.sampled_from(["eur", "EUR", "usd", "", "euro", "ß€", None, 7, "\0ab"])
moments = st.sampled_from([None, 0, 1_900_000_000, 10**12, 10**30, -(10**12), "soon"])

charges = st.fixed_dictionaries(
    {"id": texts},
    optional={
        "payment_method_details": st.fixed_dictionaries(
            {"type": st.sampled_from(["card", "link", None])},
            optional={"card": st.one_of(st.none(), st.fixed_dictionaries({"capture_before": moments}))},
        )
    },
)
INTENT = {
    "status": st.sampled_from(
        [
            *("succeeded", "canceled", "processing", "requires_action", "requires_capture"),
            *("requires_payment_method", "requires_confirmation", "of_next_year", None),
        ]
    ),
    "amount": amounts,
    "amount_received": amounts,
    "amount_capturable": amounts,
    "currency": currencies,
    "latest_charge": st.one_of(texts, charges),
    "application_fee_amount": amounts,
    "transfer_data": st.one_of(st.none(), st.fixed_dictionaries({"destination": texts, "amount": amounts})),
    "metadata": st.one_of(st.none(), st.dictionaries(st.sampled_from(["payment_id", "order_id"]), texts)),
    "cancellation_reason": texts,
    "last_payment_error": st.one_of(
        st.none(), st.fixed_dictionaries({"code": texts, "decline_code": texts, "advice_code": texts})
    ),
    "next_action": st.one_of(
        st.none(), st.fixed_dictionaries({"redirect_to_url": st.fixed_dictionaries({"url": texts})})
    ),
}
REFUND = {
    "status": st.sampled_from(["succeeded", "pending", "failed", "canceled", "requires_action", "new", None]),
    "amount": amounts,
    "currency": currencies,
    "charge": texts,
    "reason": texts,
    "failure_reason": texts,
}
DISPUTE = {
    "status": st.sampled_from(["needs_response", "won", "lost", "warning_closed", "prevented", "new", None]),
    "amount": amounts,
    "currency": currencies,
    "charge": texts,
    "reason": texts,
    "evidence_details": st.one_of(st.none(), st.fixed_dictionaries({"due_by": moments})),
}
PLAIN: Mapping[str, Mapping[str, Any]] = {
    "payment_intent": {"status": "succeeded", "amount": 5000, "amount_received": 5000, "currency": "eur"},
    "refund": {"status": "succeeded", "amount": 700, "currency": "eur"},
    "dispute": {"status": "needs_response", "amount": 5000, "currency": "eur"},
}
READ: Mapping[ObjectKind, tuple[Callable[[Mapping[str, Any]], Snapshot], Mapping[str, Any]]] = {
    ObjectKind.PAYMENT_INTENT: (payment_intent_snapshot, INTENT),
    ObjectKind.REFUND: (refund_snapshot, REFUND),
    ObjectKind.DISPUTE: (dispute_snapshot, DISPUTE),
}


@pytest.mark.timeout(120 + DRAWS)
@pytest.mark.parametrize("kind", ObjectKind)
def test_it_is_recorded_or_found(scene: Scene, rows: Rows, kind: ObjectKind) -> None:
    scene.charge()
    read, fields = READ[kind]

    @settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(STATUSES), st.fixed_dictionaries({}, optional=fields))
    def check(status: str, drawn: dict[str, Any]) -> None:
        payment_id, intent = uuid4(), f"pi_{uuid4().hex}"
        rows(PAYMENT, str(payment_id), status, status, status, intent)
        object_id = intent if kind is ObjectKind.PAYMENT_INTENT else f"ob_{uuid4().hex}"
        about = {**PLAIN[kind], **drawn, "id": object_id, "payment_intent": intent}
        try:
            snapshot = read(about)
        except UnreadableError:
            return  # a finding: see test_unreadable_objects.py
        if isinstance(snapshot, PaymentIntentSnapshot):
            snapshot = snapshot.as_of(1)
        target = Target(kind=kind, stripe_id=object_id, payment_id=payment_id, account="")
        done = apply_snapshot(scene.context, target, snapshot, cause=Cause(cause="drawn", actor="test"))
        match done:
            case Applied(Advanced(contradiction=None) | DisputeMoved() | Unchanged() | PaymentBehind()):
                pass  # recorded, or waits for its payment
            case NotShown(failure=_):
                assert kind is not ObjectKind.PAYMENT_INTENT  # its payment had to be fetched
            case _:
                found = "SELECT 1 FROM reconciliation_finding WHERE payment_id = %s AND status = 'OPEN'"
                assert rows(found, str(payment_id))

    check()
