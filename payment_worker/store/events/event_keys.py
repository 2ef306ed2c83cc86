"""Finds in stored events the idempotency key that created an object, and the object that a key created."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from payment_worker.store import tables

table: Final = tables.stripe_event


def made_under(
    connection: Connection,
    idempotency_key: str,
    *,
    stripe_account: str,
    types: Sequence[str],
    since: datetime,
    until: datetime,
) -> str | None:
    """The object of an event of these types that a request under this key has made, received between these instants."""
    query = (
        select(table.c.object_id)
        .where(
            table.c.received_at.between(since, until),
            table.c.stripe_account == stripe_account,
            table.c.type.in_(types),
            table.c.payload["request", "idempotency_key"].astext == idempotency_key,
        )
        .limit(1)
    )
    object_id: str | None = connection.scalar(query)
    return object_id


def keys_of(
    connection: Connection, object_id: str, *, stripe_account: str, types: Sequence[str]
) -> frozenset[str]:
    """The idempotency keys of the requests of which events of these types about an object tell; empty for none."""
    query = select(table.c.payload["request", "idempotency_key"].astext).where(
        table.c.object_id == object_id,
        table.c.stripe_account == stripe_account,
        table.c.type.in_(types),
    )
    return frozenset(key or "" for key in connection.scalars(query))
