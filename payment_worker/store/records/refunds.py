"""Rows of `refund`: inserted once, changed only under their payment's lock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, func, select

from payment_worker.domain.refund import Refund, RefundStatus
from payment_worker.store import tables
from payment_worker.store.statements import Change, Row

MUTABLE: Final = ("version", "status", "amount", "failure_reason", "pending_reason", "stripe_refund_id")
"""What of a refund ever changes; the rest is the request."""

COLUMNS = [tables.refund.c[field.name] for field in fields(Refund)]


def refund_of(row: RowMapping | Mapping[str, Any]) -> Refund:
    """The refund that a row with all of `COLUMNS` holds."""
    values = {column.name: row[column.name] for column in COLUMNS}
    return Refund(**values | {"status": RefundStatus(values["status"])})


def find(connection: Connection, refund_id: UUID) -> Refund | None:
    """The refund as it is; to be relied on only while its payment is locked."""
    return _fetch_one(connection, select(*COLUMNS).where(tables.refund.c.refund_id == refund_id))


def find_by_stripe(connection: Connection, stripe_refund_id: str) -> Refund | None:
    """The refund that is this Refund of Stripe's."""
    return _fetch_one(
        connection, select(*COLUMNS).where(tables.refund.c.stripe_refund_id == stripe_refund_id)
    )


def request_of(connection: Connection, refund_id: UUID) -> RowMapping | None:
    """The request of a refund: fingerprint, whether an amount was given, until when it waits."""
    table = tables.refund.c
    return (
        connection.execute(
            select(table.fingerprint, table.amount_was_given, table.waits_until).where(
                table.refund_id == refund_id
            )
        )
        .mappings()
        .one_or_none()
    )


def new_row(refund: Refund, *, request: Mapping[str, object], now: datetime) -> Row:
    """The row of a new refund; `request` has the columns that the record does not."""
    values = {column.name: getattr(refund, column.name) for column in COLUMNS}
    return Row(tables.refund, {**values, **request, "created_at": now, "updated_at": now})


def changed(refund: Refund, *, now: datetime) -> Change:
    """The change that makes the row say what the record says. It waits for nothing any more."""
    values = {name: getattr(refund, name) for name in MUTABLE}
    return Change(
        tables.refund,
        {"refund_id": refund.refund_id},
        {**values, "waits_until": None, "updated_at": now},
    )


LOOKED_AT: Final = 10
"""For each row to claim so many are examined: limited, because many refunds may be waiting."""


def claim_waiting(
    connection: Connection, *, waiting_statuses: Collection[str], now: datetime, until: datetime, limit: int
) -> Sequence[UUID]:
    """Refunds that need not wait for their payment any more; no other sweep gets them before `until`.

    Args:
        waiting_statuses: those of a payment for which a refund keeps waiting: such refunds are checked again then.
    """
    table, payment = tables.refund, tables.payment
    oldest = (
        select(table.c.refund_id)
        .where(table.c.waits_until <= now)
        .order_by(table.c.waits_until)
        .limit(limit * LOOKED_AT)
        .cte("first")
    )
    is_still_waiting = payment.c.status.in_(waiting_statuses).label("waits_on")
    due = (
        select(table.c.refund_id, is_still_waiting)
        .join_from(oldest, table, table.c.refund_id == oldest.c.refund_id)
        .join(payment, payment.c.payment_id == table.c.payment_id)
        .order_by(is_still_waiting, table.c.waits_until)
        .limit(limit)
        .with_for_update(of=table, skip_locked=True)
        .cte("due")
    )
    update = (
        table.update()
        .where(table.c.refund_id == due.c.refund_id)
        .values(waits_until=until)
        .returning(table.c.refund_id, due.c.waits_on)
    )
    return [refund_id for refund_id, is_waiting in connection.execute(update) if not is_waiting]


WAITING: Final = tables.refund.c.waits_until.is_not(None)

WAITS: Final = func.coalesce(tables.refund.c.waits_until, "infinity") < "infinity"
"""The same of a row that is found by its key: written so that no index of all that wait is thought to serve."""


def woken(payment_id: UUID, *, now: datetime) -> Change:
    """The change that makes the next sweep check the refunds that wait for this payment."""
    return Change(tables.refund, {"payment_id": payment_id}, {"waits_until": now}, only=WAITS)


def wake(connection: Connection, *, now: datetime) -> None:
    """Make the next sweep check all waiting refunds."""
    connection.execute(tables.refund.update().where(WAITING).values(waits_until=now))


def _fetch_one(connection: Connection, query: Select[Any]) -> Refund | None:
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else refund_of(row)
