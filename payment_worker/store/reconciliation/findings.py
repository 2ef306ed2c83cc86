"""Rows of `reconciliation_finding`: one per difference, however often it is found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, case, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from payment_worker.domain.findings.closures import CLOSURES
from payment_worker.domain.findings.kinds import Difference
from payment_worker.store import tables

table: Final = tables.reconciliation_finding


class FindingStatus(StrEnum):
    """The status of a finding."""

    OPEN = "OPEN"
    REPAIRED = "REPAIRED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding as recorded."""

    finding_id: int
    kind: str
    object_id: str
    stripe_account: str
    payment_id: UUID | None
    refund_id: UUID | None
    status: str
    detail: dict[str, Any]
    run_id: int | None
    found_at: datetime
    resolved_at: datetime | None
    closed_by: str | None
    close_reason: str | None
    closed_at: datetime | None


COLUMNS: Final = [table.c[name] for name in Finding.__slots__]

_IS_OPEN: Final = table.c.resolved_at.is_(None)
"""For findings that are named. With the status, PostgreSQL may read all that are open: they have an index."""


def record(
    connection: Connection,
    difference: Difference,
    *,
    status: FindingStatus,
    run_id: int | None,
    now: datetime,
) -> None:
    """Record a difference. A known one that has not changed stays as it is."""
    row = insert(table).values(
        kind=difference.kind,
        object_id=difference.object_id,
        stripe_account=difference.stripe_account,
        payment_id=difference.payment_id,
        refund_id=difference.refund_id,
        status=status,
        detail=dict(difference.detail),
        run_id=run_id,
        found_at=now,
        resolved_at=None if status is FindingStatus.OPEN else now,
    )
    proposed = row.excluded
    stays_open = (table.c.status == FindingStatus.OPEN) & (proposed.status == FindingStatus.OPEN)
    connection.execute(
        row.on_conflict_do_update(
            constraint="reconciliation_finding_is_noted_once",
            set_={
                "status": proposed.status,
                "detail": proposed.detail,
                "payment_id": proposed.payment_id,
                "refund_id": proposed.refund_id,
                "run_id": proposed.run_id,
                "found_at": case((stays_open, table.c.found_at), else_=proposed.found_at),
                "resolved_at": proposed.resolved_at,
            },
            where=or_(
                table.c.status != proposed.status,
                table.c.detail != proposed.detail,
                proposed.status == FindingStatus.REPAIRED,
                # The last run that met it decides when everything that it hid may be compared.
                proposed.kind.in_(CLOSURES),
            ),
        )
    )


def close(connection: Connection, finding_id: int, *, run_id: int, now: datetime) -> bool:
    """Note that a difference has gone; whether it was open until now."""
    return _close(connection, table.c.finding_id == finding_id, run_id=run_id, resolved_at=now)


def close_by_object(connection: Connection, kind: str, object_id: str, *, now: datetime) -> None:
    """Note that a difference has gone, if it was open."""
    _close(connection, (table.c.kind == kind) & (table.c.object_id == object_id), resolved_at=now)


def decide(connection: Connection, finding_id: int, *, reason: str, actor: str, now: datetime) -> bool:
    """Close a finding that an operator has decided; returns whether it was open.

    It reopens if the difference is found again, and still names who closed it and why.
    """
    decision = {"closed_by": actor, "close_reason": reason, "closed_at": now}
    return _close(connection, table.c.finding_id == finding_id, resolved_at=now, **decision)


def _close(connection: Connection, condition: ColumnElement[bool], **values: object) -> bool:
    """Close what is open of these; whether anything was."""
    update = table.update().where(condition, _IS_OPEN)
    return connection.execute(update.values(status=FindingStatus.CLOSED, **values)).rowcount > 0


def still_open(connection: Connection, *, after: int, limit: int) -> Sequence[Finding]:
    """Open findings whose id is greater than this, in the order of their ids."""
    query = (
        select(*COLUMNS)
        .where(table.c.status == FindingStatus.OPEN, table.c.finding_id > after)
        .order_by(table.c.finding_id)
        .limit(limit)
    )
    return [Finding(**row) for row in connection.execute(query).mappings()]


def open_since(connection: Connection, differences: Collection[tuple[str, str]]) -> datetime | None:
    """When the first of these, by kind and object, was found that are open; None if none is."""
    at: datetime | None = connection.scalar(
        select(func.min(table.c.found_at)).where(
            tuple_(table.c.kind, table.c.object_id).in_(differences), _IS_OPEN
        )
    )
    return at


def found(
    connection: Connection,
    *,
    statuses: Sequence[FindingStatus],
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
) -> Sequence[Finding]:
    """The newest findings in these states that were found in this period."""
    query = select(*COLUMNS).where(table.c.status.in_(statuses))
    if since is not None:
        query = query.where(table.c.found_at >= since)
    if until is not None:
        query = query.where(table.c.found_at < until)
    newest = query.order_by(table.c.found_at.desc(), table.c.finding_id.desc()).limit(limit)
    return [Finding(**row) for row in connection.execute(newest).mappings()]
