"""The row of `metadata_secret`, which signs our Stripe metadata if no setting does."""

from sqlalchemy import Connection, select

from payment_worker.store import tables


def read(connection: Connection) -> str:
    """The secret that the first migration generated."""
    return str(connection.execute(select(tables.metadata_secret.c.secret)).scalar_one())
