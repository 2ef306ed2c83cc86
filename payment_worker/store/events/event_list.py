"""Lists events for operators, and marks events to be replayed or discarded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, or_, select

from payment_worker.store import tables
from payment_worker.store.events.inbox import EventStatus

table: Final = tables.stripe_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An event for display, without its payload."""

    stripe_account: str
    event_id: str
    type: str
    object_id: str | None
    status: str
    outcome: str | None
    source: str
    tries: int
    next_action_at: datetime | None
    created_at: datetime
    received_at: datetime
    finished_at: datetime | None


LISTED: Final = [table.c[name] for name in Listed.__slots__]


_NEWEST: Final = table.c.received_at.desc()


def newest(
    connection: Connection,
    *,
    status: str | None,
    type_: str | None,
    limit: int,
    newest_of_all: int | None = None,
) -> Sequence[Listed]:
    """The events that were received last.

    Args:
        connection: where to read.
        status: of these alone.
        type_: likewise.
        limit: how many.
        newest_of_all: look at the newest so many of all events, however few of them are wanted.
    """
    events = (
        table.c
        if newest_of_all is None
        else select(*LISTED).order_by(_NEWEST).limit(newest_of_all).subquery().c
    )
    columns = [events[name] for name in Listed.__slots__]
    query = select(*columns).order_by(events.received_at.desc()).limit(limit)
    if status:
        query = query.where(events.status == status)
    if type_:
        query = query.where(events.type == type_)
    return [Listed(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def about(connection: Connection, *, object_ids: Sequence[str], event_ids: Sequence[str]) -> Sequence[Listed]:
    """The events about these objects of Stripe's, and those with these ids, in the order in which they came."""
    query = (
        select(*LISTED)
        .where(or_(table.c.object_id.in_(object_ids), table.c.event_id.in_(event_ids)))
        .order_by(table.c.received_at)
    )
    return [Listed(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def discard(
    connection: Connection, *, event_ids: Sequence[str], outcome: str, now: datetime
) -> Sequence[str]:
    """Mark received or parked events as ignored; returns their ids.

    A worker that is processing one loses its lease, because the token is incremented.
    """
    update = (
        table.update()
        .where(
            table.c.event_id.in_(event_ids),
            table.c.status.in_([EventStatus.RECEIVED, EventStatus.PARKED]),
        )
        .values(
            status=EventStatus.IGNORED,
            outcome=outcome,
            lease_token=table.c.lease_token + 1,
            next_action_at=None,
            finished_at=now,
        )
        .returning(table.c.event_id)
    )
    return connection.execute(update).scalars().all()


def replay(
    connection: Connection,
    *,
    event_ids: Sequence[str] | None,
    type_: str | None = None,
    reason: str,
    now: datetime,
) -> Sequence[str]:
    """Make events due as if they had just arrived: those with these ids, or, without ids, all parked ones.

    A worker that is processing one loses its lease, because the token is incremented.

    Returns:
        The ids of those that are due now.
    """
    update = (
        table.update()
        .values(
            status=EventStatus.RECEIVED,
            outcome=reason,
            tries=0,
            lease_token=table.c.lease_token + 1,
            next_action_at=now,
            finished_at=None,
        )
        .returning(table.c.event_id)
    )
    if event_ids is None:
        update = update.where(table.c.status == EventStatus.PARKED)
    else:
        update = update.where(table.c.event_id.in_(event_ids))
    if type_:
        update = update.where(table.c.type == type_)
    return connection.execute(update).scalars().all()
