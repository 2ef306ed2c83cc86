"""Rows of `operator_action`, append-only: each operator's action, its time and reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from payment_worker.store import tables


class ActionKind(StrEnum):
    """The actions of operators, by command or in the console."""

    PAUSED = "paused"
    RESUMED = "resumed"
    FINDING_CLOSED = "finding_closed"
    EVENT_REPLAYED = "event_replayed"
    EVENT_DISCARDED = "event_discarded"
    REQUEST_REPLAYED = "request_replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """One action."""

    action: str
    subject: str
    """The kind of work, or the id of the finding, the event or the request."""
    reason: str | None
    actor: str
    recorded_at: datetime


def record(
    connection: Connection,
    action: ActionKind,
    subjects: Iterable[object],
    *,
    reason: str | None,
    actor: str,
    now: datetime,
) -> None:
    """Record an action on each of these, in the transaction that executes it."""
    rows = [
        {
            "action": action,
            "subject": str(subject),
            "reason": reason or None,
            "actor": actor,
            "recorded_at": now,
        }
        for subject in subjects
    ]
    if rows:
        connection.execute(insert(tables.operator_action), rows)


def newest(connection: Connection, *, limit: int) -> Sequence[OperatorAction]:
    """The actions that were done last."""
    table = tables.operator_action
    columns = [table.c[name] for name in OperatorAction.__slots__]
    query = select(*columns).order_by(table.c.operator_action_id.desc()).limit(limit)
    return [OperatorAction(**row) for row in connection.execute(query).mappings()]
