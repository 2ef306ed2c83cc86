"""Rows of `stripe_identity`: Stripe's id and mode of each account that we have a key for."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.store import tables

table: Final = tables.stripe_identity


@dataclass(frozen=True, slots=True)
class Identity:
    """A Stripe account in one of its modes."""

    stripe_account_id: str
    livemode: bool


def on_record(connection: Connection, account: str) -> Identity | None:
    """The identity of an account that was stored with its first call; None before it."""
    query = select(table.c.stripe_account_id, table.c.livemode).where(table.c.stripe_account == account)
    row = connection.execute(query).one_or_none()
    return row and Identity(*row)


def is_live(connection: Connection) -> bool:
    """Whether this database is known to be of a live account."""
    return bool(connection.scalar(select(table.c.livemode).limit(1)))


def record_first(connection: Connection, account: str, identity: Identity) -> Identity | None:
    """Record an account's identity unless it has one.

    Returns:
        The one on record; None where another of our accounts has this identity.
    """
    values = {
        "stripe_account": account,
        "stripe_account_id": identity.stripe_account_id,
        "livemode": identity.livemode,
    }
    connection.execute(insert(table).values(values).on_conflict_do_nothing())
    return on_record(connection, account)
