"""Tries that the worker makes by itself: the declined attempts that are followed by one, and when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from payment_worker.store import tables

table: Final = tables.payment_attempt


def hand_out_due(connection: Connection, *, now: datetime, until: datetime, limit: int) -> Sequence[int]:
    """Declined attempts whose payment is to be tried again now; nobody else is given them before `until`."""
    due = (
        select(table.c.attempt_id)
        .where(table.c.retry_at <= now)
        .order_by(table.c.retry_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    claim = (
        table.update().where(table.c.attempt_id.in_(due)).values(retry_at=until).returning(table.c.attempt_id)
    )
    return connection.execute(claim).scalars().all()


def payment_of(connection: Connection, attempt_id: int) -> UUID | None:
    """The payment that is to be tried again after this attempt; None where that is not so any more."""
    return connection.scalar(
        select(table.c.payment_id).where(table.c.attempt_id == attempt_id, table.c.retry_at.is_not(None))
    )


def give_up(connection: Connection, payment_id: UUID) -> None:
    """Nothing follows any attempt of this payment by itself any more."""
    connection.execute(
        table.update()
        .where(table.c.payment_id == payment_id, table.c.retry_at.is_not(None))
        .values(retry_at=None)
    )
