"""Rows of `event_poll`, and the pages of events that they stand for: stored together or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables

table: Final = tables.event_poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the list that is being read, from its newest event backwards."""

    since: datetime
    newest: datetime
    """When the newest event of its first page was made."""
    cursor: str
    """The last event that was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How far the events of an account were read."""

    stripe_account: str
    read_until: datetime | None = None
    window: Window | None = None


ACCOUNTS: Final = text("""
    WITH RECURSIVE account(name) AS (
        (SELECT stripe_account FROM payment WHERE stripe_account IS NOT NULL ORDER BY stripe_account LIMIT 1)
        UNION ALL
        SELECT (SELECT stripe_account FROM payment WHERE stripe_account > account.name
                ORDER BY stripe_account LIMIT 1)
        FROM account WHERE account.name IS NOT NULL
    )
    SELECT name FROM account WHERE name IS NOT NULL
""")
"""One step down the index for each account, however many payments there are."""


def accounts(connection: Connection) -> Sequence[str]:
    """The accounts that payments were made on: the platform's own, which is the empty text, and the connected."""
    return ["", *connection.execute(ACCOUNTS).scalars()]


def polls(connection: Connection) -> Sequence[Poll]:
    """What was read of each account, the one that has waited longest first; new ones before all."""
    rows = connection.execute(select(table).order_by(table.c.polled_at)).mappings().all()
    known = {
        row["stripe_account"]: Poll(
            stripe_account=row["stripe_account"],
            read_until=row["read_until"],
            window=Window(since=row["window_since"], newest=row["window_newest"], cursor=row["cursor"])
            if row["cursor"]
            else None,
        )
        for row in rows
    }
    new = [Poll(stripe_account=name) for name in accounts(connection) if name not in known]
    return [*new, *known.values()]


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


def note(connection: Connection, poll: Poll, *, now: datetime) -> None:
    """Write how far the events of an account are read now. What was read once stays read."""
    window = poll.window
    values = {
        "stripe_account": poll.stripe_account,
        "read_until": poll.read_until,
        "window_since": window.since if window else None,
        "window_newest": window.newest if window else None,
        "cursor": window.cursor if window else None,
        "polled_at": now,
    }
    new = insert(table).values(values)
    furthest = func.greatest(table.c.read_until, new.excluded.read_until)
    connection.execute(
        new.on_conflict_do_update(index_elements=["stripe_account"], set_={**values, "read_until": furthest})
    )
