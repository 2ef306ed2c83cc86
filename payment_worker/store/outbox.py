"""Rows of `outbox`: messages inserted with the change that they announce, and published after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables
from payment_worker.store.statements import Row

box: Final = tables.outbox
memory: Final = tables.stream_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it waits in the outbox, or has been published."""

    position: int
    message_id: UUID
    payment_id: UUID | None
    stripe_payout_id: str | None
    type: str
    data: dict[str, object]
    occurred_at: datetime

    @property
    def subject(self) -> str:
        """What it is about: a payment, or a payout."""
        return str(self.payment_id or self.stripe_payout_id)


def message_id(*, subject: UUID, message_type: str, version: int) -> UUID:
    """The id of the only message of this type about this version of a payment or refund: it is published once."""
    return uuid5(subject, f"{message_type}:{version}")


def message(
    *, payment_id: UUID, identity: UUID, message_type: str, data: Mapping[str, object], now: datetime
) -> Row:
    """The row of one message."""
    return Row(
        box,
        {
            "message_id": identity,
            "payment_id": payment_id,
            "type": message_type,
            "data": dict(data),
            "occurred_at": now,
        },
    )


def payout_message(
    *, stripe_payout_id: str, message_type: str, data: Mapping[str, object], now: datetime
) -> Row:
    """The row of the one message of this type about a payout."""
    return Row(
        box,
        {
            "message_id": uuid5(NAMESPACE_OID, f"{stripe_payout_id}:{message_type}"),
            "stripe_payout_id": stripe_payout_id,
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
    rows = connection.execute(
        select(*(box.c[name] for name in Message.__slots__))
        .where(box.c.published_at.is_(None))
        .order_by(box.c.position)
        .limit(limit)
    )
    return [Message(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping


def mark_published(connection: Connection, positions: Sequence[int], *, now: datetime) -> None:
    """Note that these are on the stream."""
    connection.execute(update(box).where(box.c.position.in_(positions)).values(published_at=now))


@dataclass(frozen=True, slots=True)
class Memory:
    """What we know of a stream."""

    last_entry_id: str
    lost_since: datetime | None
    """Set while messages from then on are marked as unpublished after a loss of the stream."""


def remembered(connection: Connection, stream: str) -> Memory | None:
    """What we know of a stream; None where it may hold anything."""
    query = select(memory.c.last_entry_id, memory.c.lost_since).where(memory.c.stream == stream)
    row = connection.execute(query).one_or_none()
    return None if row is None else Memory(row.last_entry_id, row.lost_since)


def lose(connection: Connection, stream: str, *, since: datetime) -> None:
    """Note that the stream has lost what was published from then on."""
    connection.execute(memory.update().where(memory.c.stream == stream).values(lost_since=since))


def remember(connection: Connection, stream: str, entry_id: str, *, now: datetime) -> None:
    """Note the last entry that was added to the stream."""
    new = insert(memory).values(stream=stream, last_entry_id=entry_id, updated_at=now)
    changed = {"last_entry_id": entry_id, "updated_at": now}
    connection.execute(new.on_conflict_do_update(index_elements=["stream"], set_=changed))


def forget(connection: Connection, stream: str) -> None:
    """Note that the stream may hold anything."""
    connection.execute(memory.delete().where(memory.c.stream == stream))


def published_at(connection: Connection, message_id: UUID) -> datetime | None:
    """When a message was published last."""
    at: datetime | None = connection.scalar(select(box.c.published_at).where(box.c.message_id == message_id))
    return at


def oldest_of_newest(connection: Connection, *, count: int) -> datetime | None:
    """When the oldest was published of so many that were published last; None where there are not so many."""
    newest = select(box.c.published_at).where(box.c.published_at.is_not(None))
    at: datetime | None = connection.scalar(
        newest.order_by(box.c.published_at.desc()).offset(count - 1).limit(1)
    )
    return at


def unpublish(connection: Connection, *, since: datetime, limit: int) -> int:
    """Have messages published again that were published from then on, at the most so many; how many it were."""
    some = select(box.c.position).where(box.c.published_at >= since).limit(limit)
    again = update(box).where(box.c.position.in_(some.scalar_subquery())).values(published_at=None)
    return connection.execute(again).rowcount


def unpublish_occurred(
    connection: Connection, *, since: datetime, until: datetime, after: int, limit: int
) -> Sequence[int]:
    """Have messages of a period published again, at the most so many after this position; their positions."""
    some = (
        select(box.c.position)
        .where(
            box.c.occurred_at >= since,
            box.c.occurred_at < until,
            box.c.published_at.is_not(None),
            box.c.position > after,
        )
        .order_by(box.c.position)
        .limit(limit)
    )
    again = update(box).where(box.c.position.in_(some.scalar_subquery())).values(published_at=None)
    return sorted(connection.execute(again.returning(box.c.position)).scalars())
