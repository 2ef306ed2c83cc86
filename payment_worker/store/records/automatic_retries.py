"""Automatic retries of declined attempts: claimed when due, counted, canceled."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, func, select

from payment_worker.domain.attempts.attempt import Action
from payment_worker.store import tables
from payment_worker.store.due_rows import DueRows

table: Final = tables.payment_attempt

DUE: Final = DueRows(table.c.attempt_id, table.c.retry_at)
"""Declined attempts whose payment is due for a retry."""


def retries_since(connection: Connection, payment_id: UUID, *, since: datetime) -> int:
    """How many requests to take the money again there were from then on."""
    query = select(func.count()).where(
        table.c.payment_id == payment_id, table.c.action == Action.RETRY, table.c.created_at >= since
    )
    return connection.execute(query).scalar_one()


def payment_to_retry(connection: Connection, attempt_id: int) -> UUID | None:
    """The payment to be retried after this attempt; None if that is not so any more."""
    query = select(table.c.payment_id, table.c.retry_at).where(table.c.attempt_id == attempt_id)
    row = connection.execute(query).one_or_none()
    return row.payment_id if row and row.retry_at else None


def cancel_retries(connection: Connection, payment_id: UUID) -> None:
    """Nothing follows any attempt of this payment by itself any more."""
    query = select(table.c.attempt_id, table.c.retry_at).where(table.c.payment_id == payment_id)
    if attempt_ids := [row.attempt_id for row in connection.execute(query) if row.retry_at]:
        connection.execute(table.update().where(table.c.attempt_id.in_(attempt_ids)).values(retry_at=None))
