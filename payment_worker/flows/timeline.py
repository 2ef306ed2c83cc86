"""Builds a payment's timeline: everything that happened to it, by whom and why, in order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from payment_worker.flows.events.result import sentence
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_list
from payment_worker.store.events.event_list import Listed
from payment_worker.store.queries import timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story."""

    at: datetime
    rank: int
    """Orders entries of the same instant: request, response, change, message."""
    kind: str
    """`event`, `attempt`, `payment`, `refund`, `dispute`, `warning`, `finding` or `message`."""
    what: str
    cause: str
    actor: str
    ids: Mapping[str, str]
    is_ahead: bool = False
    """It lies in the future: it is due then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A payment's current state and its timeline."""

    payment: Mapping[str, Any]
    refunds: Sequence[Mapping[str, Any]]
    entries: Sequence[Line]


def story_of(connection: Connection, payment_id: UUID) -> Story:
    """The story of a payment that there is."""
    payment = timeline.payment(connection, payment_id)
    refunds = timeline.refunds(connection, payment_id)
    history = timeline.history(connection, payment_id)
    warnings = timeline.early_fraud_warnings(connection, payment_id)
    events = _events(connection, payment, refunds, history, warnings)
    entries = [
        *_event_lines(events),
        *_attempt_lines(timeline.attempts(connection, payment_id)),
        *map(_history_line, history),
        *map(_warning_line, warnings),
        *_finding_lines(timeline.findings(connection, payment_id)),
        *_message_lines(timeline.messages(connection, payment_id)),
    ]
    return Story(
        payment=payment,
        refunds=refunds,
        entries=sorted(entries, key=lambda entry: (entry.is_ahead, entry.at, entry.rank)),
    )


def records_of(connection: Connection, payment_id: UUID) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every row of a payment's whole history, each with the kind of record that it is, for an audit.

    Without the customer's data: parameters, metadata and the payloads of events.
    """
    payment, refunds = timeline.payment(connection, payment_id), timeline.refunds(connection, payment_id)
    history = timeline.history(connection, payment_id)
    warnings = timeline.early_fraud_warnings(connection, payment_id)
    yield "payment", payment
    yield from (("refund", row) for row in refunds)
    yield from (("attempt", row) for row in timeline.attempts(connection, payment_id))
    yield from (("transition", row) for row in history)
    yield from (("early_fraud_warning", row) for row in warnings)
    events = _events(connection, payment, refunds, history, warnings)
    yield from (("event", asdict(each)) for each in events)
    yield from (("finding", row) for row in timeline.findings(connection, payment_id))
    yield from (("message", row) for row in timeline.messages(connection, payment_id))


def _events(
    connection: Connection,
    payment: Mapping[str, Any],
    refunds: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    warnings: Sequence[Mapping[str, Any]],
) -> Sequence[Listed]:
    objects = [
        payment["stripe_payment_intent_id"],
        payment["stripe_charge_id"],
        *(refund["stripe_refund_id"] for refund in refunds),
        *(row["stripe_dispute_id"] for row in history),
        *(row["stripe_early_fraud_warning_id"] for row in warnings),
    ]
    return event_list.about(
        connection,
        object_ids=sorted({each for each in objects if each}),
        event_ids=sorted({row["detail"]["event_id"] for row in history if "event_id" in row["detail"]}),
    )


def _event_lines(events: Iterable[Listed]) -> Iterable[Line]:
    for event in events:
        outcome = f"{event.status}: {sentence(event.outcome)}" if event.outcome else event.status
        yield Line(
            at=event.received_at,
            rank=0,
            kind="event",
            what=f"{event.type}, {outcome}",
            cause=event.source,
            actor="Stripe",
            ids={"event_id": event.event_id},
        )
        if event.next_action_at:
            yield Line(
                at=event.next_action_at,
                rank=0,
                kind="event",
                what=f"{event.type} is looked at again",
                cause=sentence(event.outcome) or "not processed yet",
                actor="the sweep",
                ids={"event_id": event.event_id},
                is_ahead=True,
            )


def _attempt_lines(attempts: Iterable[Mapping[str, Any]]) -> Iterable[Line]:
    for row in attempts:
        name = f"{row['action']} {row['number']}"
        ids = {"idempotency_key": row["idempotency_key"]}
        yield Line(
            at=row["created_at"],
            rank=3,
            kind="attempt",
            what=f"{name} is recorded",
            cause=row["idempotency_key"],
            actor="the worker",
            ids=ids,
        )
        reason = row["error_code"] or row["unknown_reason"] or ""
        if row["finished_at"]:
            yield Line(
                at=row["finished_at"],
                rank=1,
                kind="attempt",
                what=f"{name} is {row['status']}",
                cause=reason or row["stripe_request_id"] or "",
                actor="Stripe",
                ids=ids,
            )
        else:
            yield Line(
                at=row["next_action_at"],
                rank=1,
                kind="attempt",
                what=f"{name} is sent to Stripe"
                if row["never_sent"]
                else f"{name} is {row['status']}; a worker goes on with it",
                cause=reason or ("not before then" if row["never_sent"] else "a worker has it until then"),
                actor="the sweep",
                ids=ids,
                is_ahead=True,
            )


def _history_line(row: Mapping[str, Any]) -> Line:
    kind = "dispute" if row["stripe_dispute_id"] else "refund" if row["refund_id"] else "payment"
    previous = f"{row['from_status']} → " if row["from_status"] else "→ "
    ids = {"refund_id": row["refund_id"], "stripe_dispute_id": row["stripe_dispute_id"], **row["detail"]}
    return Line(
        at=row["recorded_at"],
        rank=2,
        kind=kind,
        what=previous + str(row["to_status"]),
        cause=row["cause"],
        actor=row["actor"],
        ids={name: str(value) for name, value in ids.items() if value is not None},
    )


def _warning_line(row: Mapping[str, Any]) -> Line:
    return Line(
        at=row["created_at"],
        rank=2,
        kind="warning",
        what=f"early fraud warning {row['stripe_early_fraud_warning_id']}: {row['fraud_type']}",
        cause="the card's issuer reported it" if row["is_actionable"] else "disputed or refunded since",
        actor="Stripe",
        ids={"stripe_early_fraud_warning_id": row["stripe_early_fraud_warning_id"]},
    )


def _finding_lines(findings: Iterable[Mapping[str, Any]]) -> Iterable[Line]:
    for row in findings:
        description = f"{row['kind']} of {row['object_id']}"
        yield Line(
            at=row["found_at"],
            rank=2,
            kind="finding",
            what=description if row["closed_by"] else f"{description} is {row['status']}",
            cause=f"reconciliation {row['run_id']}" if row["run_id"] else "an event or an answer",
            actor="payment_worker",
            ids={},
        )
        if row["closed_by"]:
            yield Line(
                at=row["closed_at"],
                rank=2,
                kind="finding",
                what=f"{description} is {row['status']}",
                cause=row["close_reason"],
                actor=row["closed_by"],
                ids={},
            )


def _message_lines(messages: Iterable[Mapping[str, Any]]) -> Iterable[Line]:
    for row in messages:
        yield Line(
            at=row["published_at"] or row["occurred_at"],
            rank=4,
            kind="message",
            what=f"{row['type']} {'published' if row['published_at'] else 'not published yet'}",
            cause="recorded",
            actor="the publisher",
            ids={},
            is_ahead=row["published_at"] is None,
        )
