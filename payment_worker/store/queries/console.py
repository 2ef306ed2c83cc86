"""Reads rows that only the console shows: unknown outcomes and disputes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, func, select, text

from payment_worker.domain.attempts.attempt import AttemptStatus
from payment_worker.store import tables

_PAYMENT: Final = tables.payment.c
_REFUND: Final = tables.refund.c
_ATTEMPT: Final = tables.payment_attempt.c
_DISPUTE: Final = tables.dispute.c

STATEMENT_SECONDS: Final = 5
"""A page waits no longer: its reader has left by then, or pressed the key again."""


def read_only(connection: Connection) -> None:
    """Let this transaction write nothing, and none of its statements take long."""
    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))


def unknown_attempts(connection: Connection, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Attempts whose outcome is unknown, the oldest first, each with its payment."""
    columns = ("payment_id", "refund_id", "action", "unknown_reason", "error_code", "tries", "next_action_at")
    query = (
        select(
            *(_ATTEMPT[name] for name in columns),
            _ATTEMPT.created_at,
            _PAYMENT.order_id,
            func.coalesce(_REFUND.amount, _PAYMENT.amount).label("amount"),
            _PAYMENT.currency,
        )
        .join(tables.payment, _PAYMENT.payment_id == _ATTEMPT.payment_id)
        .outerjoin(tables.refund, _REFUND.refund_id == _ATTEMPT.refund_id)
        .where(_ATTEMPT.finished_at.is_(None), _ATTEMPT.status == AttemptStatus.UNKNOWN)
        .order_by(_ATTEMPT.first_sent_at)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def disputes(connection: Connection, payment_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The disputes of a payment, oldest first."""
    query = select(tables.dispute).where(_DISPUTE.payment_id == payment_id).order_by(_DISPUTE.created_at)
    return [dict(row) for row in connection.execute(query).mappings()]


def currencies(connection: Connection, payment_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """The currency of each of these payments that there is."""
    query = select(_PAYMENT.payment_id, _PAYMENT.currency).where(_PAYMENT.payment_id.in_(payment_ids))
    return {row.payment_id: row.currency for row in connection.execute(query)}


def exists(connection: Connection, payment_id: UUID) -> bool:
    """Whether there is this payment."""
    query = select(_PAYMENT.payment_id).where(_PAYMENT.payment_id == payment_id)
    return connection.scalar(query) is not None
