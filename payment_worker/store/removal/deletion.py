"""Deletes finished rows past their retention: events, messages, rejected requests, reconciliation reports."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, exists, select, tuple_

from payment_worker.store import tables
from payment_worker.store.events.inbox import EventStatus
from payment_worker.store.reconciliation.findings import FindingStatus

Prune = Callable[[Connection, datetime, int], int]
"""Deletes at most so many rows from before an instant, and returns how many."""

_EVENT: Final = tables.stripe_event
_OUTBOX: Final = tables.outbox
_REJECTED: Final = tables.rejected_request
_FINDING: Final = tables.reconciliation_finding
_RUN: Final = tables.reconciliation_run


def events(connection: Connection, before: datetime, limit: int) -> int:
    """Finished events. Parked ones are kept until an operator decides."""
    is_finished = _EVENT.c.status.in_([EventStatus.PROCESSED, EventStatus.IGNORED])
    return _delete(connection, _EVENT, _EVENT.c.received_at, is_finished, before, limit=limit)


def messages(connection: Connection, before: datetime, limit: int) -> int:
    """Messages that are published."""
    return _delete(connection, _OUTBOX, _OUTBOX.c.published_at, None, before, limit=limit)


def rejected(connection: Connection, before: datetime, limit: int) -> int:
    """Requests that were rejected."""
    return _delete(connection, _REJECTED, _REJECTED.c.received_at, None, before, limit=limit)


def findings(connection: Connection, before: datetime, limit: int) -> int:
    """Findings that are resolved."""
    is_resolved = _FINDING.c.status != FindingStatus.OPEN
    return _delete(connection, _FINDING, _FINDING.c.found_at, is_resolved, before, limit=limit)


def runs(connection: Connection, before: datetime, limit: int) -> int:
    """Reconciliations that are finished and whose findings are all gone."""
    has_findings = exists(select(_FINDING.c.finding_id).where(_FINDING.c.run_id == _RUN.c.run_id))
    return _delete(connection, _RUN, _RUN.c.finished_at, ~has_findings, before, limit=limit)


REPORTS: Final[Mapping[str, Prune]] = MappingProxyType(
    {"rejected": rejected, "findings": findings, "runs": runs}
)
"""Rows for people; findings before the runs that found them."""


def _delete(
    connection: Connection,
    table: Table,
    at: ColumnElement[datetime],
    condition: ColumnElement[bool] | None,
    before: datetime,
    *,
    limit: int,
) -> int:
    """The oldest first, found by the index on their time; locked rows are left for the next run."""
    keys = list(table.primary_key.columns)
    old = (
        select(*keys)
        .where(at < before, *([] if condition is None else [condition]))
        .order_by(at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=table)
    )
    return connection.execute(table.delete().where(tuple_(*keys).in_(old))).rowcount
