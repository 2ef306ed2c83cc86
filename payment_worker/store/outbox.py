"""Rows of `outbox`: messages inserted in the transaction of the change that they announce, and published later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    DateTime,
    Integer,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from payment_worker.contracts.messages import Message
from payment_worker.store import tables
from payment_worker.store.statements import Compiled, Row

box: Final = tables.outbox
memory: Final = tables.stream_memory


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message as it waits in the outbox."""

    position: int
    message_id: str
    subject: str
    """What it is about: a payment, or a payout."""
    type: str
    data: dict[str, object]
    occurred_at: datetime


def message_row(
    message: Message,
    *,
    payment_id: UUID,
    subject: UUID,
    version: int,
    stripe_account: str = "",
    now: datetime,
) -> Row:
    """The row of the only message of this type about this version of a payment or refund: it is published once."""
    identity = uuid5(subject, f"{message.message_type}:{version}")
    data = message.data(stripe_account=stripe_account)
    return _row(message, identity, data, now, payment_id=payment_id)


def payout_message_row(message: Message, *, stripe_payout_id: str, now: datetime) -> Row:
    """The row of the one message of this type about a payout."""
    identity = uuid5(NAMESPACE_OID, f"{stripe_payout_id}:{message.message_type}")
    return _row(message, identity, message.data(), now, stripe_payout_id=stripe_payout_id)


def _row(message: Message, identity: UUID, data: dict[str, object], now: datetime, **columns: object) -> Row:
    values = {"message_id": identity, "type": message.message_type, "data": data, "occurred_at": now}
    return Row(box, {**values, **columns})


PUBLISH_LOCK = 0x6F7574626F78
"""One publisher at a time keeps the order: an advisory lock under this number, free again when its transaction ends."""


_LOCK: Final = Compiled(select(func.pg_try_advisory_xact_lock(literal(PUBLISH_LOCK))))


def lock_publishing(connection: Connection) -> bool:
    """Whether this transaction is the one that publishes now."""
    return bool(_LOCK.execute(connection, {}).scalar())


_UNPUBLISHED: Final = Compiled(
    select(
        box.c.position,
        cast(box.c.message_id, Text),
        func.coalesce(cast(box.c.payment_id, Text), box.c.stripe_payout_id),
        box.c.type,
        box.c.data,
        box.c.occurred_at,
    )
    .where(box.c.published_at.is_(None))
    .order_by(box.c.position)
    .limit(bindparam("limit", type_=Integer))
)


def unpublished(connection: Connection, *, limit: int) -> Sequence[OutboxMessage]:
    """The oldest messages that are not known to be published, in the order in which they were written."""
    return [OutboxMessage(*row) for row in _UNPUBLISHED.execute(connection, {"limit": limit})]


@dataclass(frozen=True, slots=True)
class Memory:
    """What we know of a stream."""

    last_entry_id: str
    lost_since: datetime | None
    """Set while messages from then on are marked as unpublished after a loss of the stream."""


_REMEMBERED: Final = Compiled(
    select(memory.c.last_entry_id, memory.c.lost_since).where(
        memory.c.stream == bindparam("stream", type_=Text)
    )
)


def remembered(connection: Connection, stream: str) -> Memory | None:
    """What we know of a stream; None where it may hold anything."""
    row = _REMEMBERED.execute(connection, {"stream": stream}).one_or_none()
    return None if row is None else Memory(row.last_entry_id, row.lost_since)


def lose(connection: Connection, stream: str, *, since: datetime) -> None:
    """Note that the stream has lost what was published from then on."""
    connection.execute(memory.update().where(memory.c.stream == stream).values(lost_since=since))


_MARKED: Final = (
    update(box)
    .where(box.c.position == any_(bindparam("positions", type_=ARRAY(BigInteger))))
    .values(published_at=bindparam("now", type_=DateTime(timezone=True)))
)
_LAST: Final = {
    "last_entry_id": bindparam("entry_id", type_=Text),
    "updated_at": bindparam("now", type_=DateTime(timezone=True)),
}
_MARK_PUBLISHED: Final = Compiled(
    insert(memory)
    .values(stream=bindparam("stream", type_=Text), **_LAST)
    .on_conflict_do_update(index_elements=["stream"], set_=_LAST)
    .add_cte(_MARKED.cte("marked"))
)


def mark_published(
    connection: Connection, positions: Sequence[int], *, stream: str, entry_id: str, now: datetime
) -> None:
    """Note that these are on the stream, and that the last of them is this entry."""
    parameters = {"positions": list(positions), "stream": stream, "entry_id": entry_id, "now": now}
    _MARK_PUBLISHED.execute(connection, parameters)


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
    positions = select(box.c.position).where(box.c.published_at >= since).limit(limit)
    statement = update(box).where(box.c.position.in_(positions.scalar_subquery())).values(published_at=None)
    return connection.execute(statement).rowcount


def unpublish_occurred(
    connection: Connection, *, since: datetime, until: datetime, after: int, limit: int
) -> Sequence[int]:
    """Have messages of a period published again, at the most so many after this position; their positions."""
    positions = (
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
    statement = update(box).where(box.c.position.in_(positions.scalar_subquery())).values(published_at=None)
    return sorted(connection.execute(statement.returning(box.c.position)).scalars())
