"""Closes findings and discards events on an operator's decision, recorded in the same transaction."""

from collections.abc import Sequence
from datetime import datetime

from payment_worker.flows.events.result import Reason
from payment_worker.store import operator_actions
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_list
from payment_worker.store.operator_actions import ActionKind
from payment_worker.store.reconciliation import findings


def close_finding(connection: Connection, finding_id: int, *, reason: str, actor: str, now: datetime) -> bool:
    """Close a finding; whether it was open until now."""
    is_closed = findings.decide(connection, finding_id, reason=reason, actor=actor, now=now)
    if is_closed:
        operator_actions.record(
            connection, ActionKind.FINDING_CLOSED, [finding_id], reason=reason, actor=actor, now=now
        )
    return is_closed


def discard_events(
    connection: Connection, event_ids: Sequence[str], *, reason: str, actor: str, now: datetime
) -> Sequence[str]:
    """Set events aside that wait or are parked; the ids of those that were."""
    outcome = f"{Reason.DISCARDED}: {actor}: {reason}"
    discarded = event_list.discard(connection, event_ids=event_ids, outcome=outcome, now=now)
    operator_actions.record(
        connection, ActionKind.EVENT_DISCARDED, discarded, reason=reason, actor=actor, now=now
    )
    return discarded


def replay_events(
    connection: Connection,
    event_ids: Sequence[str] | None,
    *,
    type_: str | None = None,
    reason: str = "",
    actor: str,
    now: datetime,
) -> Sequence[str]:
    """Make these events due, or, without ids, all that are parked; the ids of those that are due now."""
    outcome = ": ".join(filter(None, (Reason.REPLAYED, actor, reason)))
    replayed = event_list.replay(connection, event_ids=event_ids, type_=type_, reason=outcome, now=now)
    operator_actions.record(
        connection, ActionKind.EVENT_REPLAYED, replayed, reason=reason, actor=actor, now=now
    )
    return replayed
