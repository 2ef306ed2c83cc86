"""Rows of `event_poll`: the progress of each poll, stored together with the page of events that it covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables

table: Final = tables.event_poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the list that is being read, from its newest event backwards."""

    since: datetime
    newest: datetime
    """When the newest event of its first page was created."""
    cursor: str
    """The last event that was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How far the events of an account were read."""

    stripe_account: str
    read_until: datetime | None = None
    window: Window | None = None


def accounts(connection: Connection) -> Sequence[str]:
    """The accounts with payments: the platform's own, which is the empty text, and the connected ones."""
    return ["", *_distinct_accounts(connection, tables.payment.c.stripe_account)]


def accounts_with_events(connection: Connection) -> Sequence[str]:
    """The connected accounts that events came from, with or without payments of ours."""
    return _distinct_accounts(connection, tables.stripe_event.c.stripe_account)


def _distinct_accounts(connection: Connection, column: Column[Any]) -> Sequence[str]:
    """What is in this column: one step down its index for each account, however many rows there are."""
    # Said of each: the index of payments has no empty ones, and is only used where none is sought.
    lowest = select(func.min(column)).where(column > "")
    accounts = select(lowest.scalar_subquery().label("name")).cte("account", recursive=True)
    next_value = lowest.where(column > accounts.c.name).scalar_subquery()
    accounts = accounts.union_all(select(next_value).where(accounts.c.name.is_not(None)))
    rows = connection.execute(select(accounts.c.name).where(accounts.c.name.is_not(None)))
    return rows.scalars().all()


def polls(connection: Connection) -> Sequence[Poll]:
    """What was read of each account, the one that has waited longest first; new ones before all."""
    rows = connection.execute(select(table).order_by(table.c.polled_at)).mappings().all()
    known_polls = {
        row["stripe_account"]: Poll(
            stripe_account=row["stripe_account"],
            read_until=row["read_until"],
            window=Window(since=row["window_since"], newest=row["window_newest"], cursor=row["cursor"])
            if row["cursor"]
            else None,
        )
        for row in rows
    }
    new_polls = [Poll(stripe_account=name) for name in accounts(connection) if name not in known_polls]
    return [*new_polls, *known_polls.values()]


def first_payment_at(connection: Connection) -> datetime | None:
    """When the oldest payment was requested."""
    at: datetime | None = connection.scalar(select(func.min(tables.payment.c.created_at)))
    return at


def unknown(connection: Connection, stripe_account: str, event_ids: Sequence[str]) -> set[str]:
    """Those of these events that are not in the inbox."""
    inbox = tables.stripe_event.c
    query = select(inbox.event_id).where(
        inbox.stripe_account == stripe_account, inbox.event_id.in_(event_ids)
    )
    return set(event_ids) - set(connection.execute(query).scalars())


def save(connection: Connection, poll: Poll, *, now: datetime) -> None:
    """Store how far the events of an account are read now. The position never moves back."""
    window = poll.window
    values = {
        "stripe_account": poll.stripe_account,
        "read_until": poll.read_until,
        "window_since": window.since if window else None,
        "window_newest": window.newest if window else None,
        "cursor": window.cursor if window else None,
        "polled_at": now,
    }
    row = insert(table).values(values)
    furthest = func.greatest(table.c.read_until, row.excluded.read_until)
    connection.execute(
        row.on_conflict_do_update(index_elements=["stripe_account"], set_={**values, "read_until": furthest})
    )
