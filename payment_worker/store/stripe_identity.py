"""The row of `stripe_identity`: the Stripe account and mode that this Payment Database belongs to."""

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


def on_record(connection: Connection) -> Identity | None:
    """The identity that was stored with the first call; None before it."""
    row = connection.execute(select(table.c.stripe_account_id, table.c.livemode)).one_or_none()
    return row and Identity(*row)


def is_live(connection: Connection) -> bool:
    """Whether this database is known to be of a live account."""
    identity = on_record(connection)
    return identity is not None and identity.livemode


def note_first(connection: Connection, identity: Identity) -> Identity:
    """Note it unless there is one.

    Returns:
        The one on record.
    """
    values = {
        "is_the_only_one": True,
        "stripe_account_id": identity.stripe_account_id,
        "livemode": identity.livemode,
    }
    connection.execute(insert(table).values(values).on_conflict_do_nothing())
    return on_record(connection) or identity
