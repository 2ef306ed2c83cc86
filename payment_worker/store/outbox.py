"""What is still to be told: messages written with the change that they tell of, and published after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import Connection, func, select, update

from payment_worker.store import tables
from payment_worker.store.writing import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it waits in the outbox, or has been published."""

    position: int
    message_id: UUID
    payment_id: UUID
    type: str
    data: dict[str, object]
    occurred_at: datetime


def message_id(*, subject: UUID, message_type: str, version: int) -> UUID:
    """The id of the one message of this type about this version of this payment or refund: it cannot be told twice."""
    return uuid5(subject, f"{message_type}:{version}")


def message(
    *, payment_id: UUID, identity: UUID, message_type: str, data: Mapping[str, object], now: datetime
) -> Row:
    """The row of one message."""
    return Row(
        tables.outbox,
        {
            "message_id": identity,
            "payment_id": payment_id,
            "type": message_type,
            "data": dict(data),
            "occurred_at": now,
        },
    )


PUBLISH_LOCK = 0x6F7574626F78
"""One publisher at a time keeps the order: an advisory lock under this number, free again when its transaction ends."""


def lock_publishing(connection: Connection) -> bool:
    """Whether this transaction is the one that publishes now."""
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(PUBLISH_LOCK))))


def unpublished(connection: Connection, *, limit: int) -> Sequence[Message]:
    """The oldest messages that are not known to be published, in the order in which they were written."""
    box = tables.outbox
    rows = connection.execute(
        select(box.c.position, box.c.message_id, box.c.payment_id, box.c.type, box.c.data, box.c.occurred_at)
        .where(box.c.published_at.is_(None))
        .order_by(box.c.position)
        .limit(limit)
    )
    return [Message(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping


def mark_published(connection: Connection, positions: Sequence[int], *, now: datetime) -> None:
    """Note that these are on the stream."""
    box = tables.outbox
    connection.execute(update(box).where(box.c.position.in_(positions)).values(published_at=now))
