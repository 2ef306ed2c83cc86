"""Rows of `payment_history`: each change of status with its actor and cause."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Connection, cast, func, select

from payment_worker.domain.attempts.attempt import Attempt
from payment_worker.store import tables
from payment_worker.store.statements import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a record changes: `cause` in our words with Stripe's id where it has one, and the `actor` that wrote it."""

    cause: str
    actor: str
    detail: dict[str, object] = field(default_factory=dict)


def transition(
    *,
    payment_id: UUID,
    refund_id: UUID | None = None,
    stripe_dispute_id: str | None = None,
    before: str | None,
    after: str,
    cause: Cause,
    now: datetime,
    detail: dict[str, object] | None = None,
) -> Row:
    """The row of one transition."""
    return Row(
        tables.payment_history,
        {
            "payment_id": payment_id,
            "refund_id": refund_id,
            "stripe_dispute_id": stripe_dispute_id,
            "from_status": before,
            "to_status": after,
            "cause": cause.cause,
            "actor": cause.actor,
            "detail": cause.detail | (detail or {}),
            "recorded_at": now,
        },
    )


def captured_before(connection: Connection, attempt: Attempt) -> int:
    """What was captured of its payment when an attempt was first sent, as we knew it; each capture left a row."""
    table = tables.payment_history
    total = cast(table.c.detail["amount_captured"].astext, BigInteger)
    query = select(func.coalesce(func.max(total), 0)).where(
        table.c.payment_id == attempt.payment_id,
        table.c.refund_id.is_(None),
        table.c.stripe_dispute_id.is_(None),
        table.c.recorded_at <= attempt.first_sent_at,
    )
    return int(connection.execute(query).scalar_one())


def dispute_was(connection: Connection, *, payment_id: UUID, stripe_dispute_id: str, status: str) -> bool:
    """Whether a dispute of this payment ever had this status, archived rows included."""
    return any(
        connection.scalar(
            select(table.c.history_id)
            .where(
                table.c.payment_id == payment_id,
                table.c.stripe_dispute_id == stripe_dispute_id,
                table.c.to_status == status,
            )
            .limit(1)
        )
        for table in (tables.payment_history, tables.payment_history_archive)
    )
