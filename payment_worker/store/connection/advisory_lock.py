"""Runs work in only one process at a time, under a PostgreSQL advisory lock."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from payment_worker.store.connection.database import Database, Translated

POLL_LOCK: Final = 0x706F6C6C
RECONCILE_LOCK: Final = 0x7265636F6E
PRUNE_LOCK: Final = 0x7072756E65
LEDGER_LOCK: Final = 0x6C6564676572

_MAY_WAIT: Final = func.set_config("idle_in_transaction_session_timeout", "0", True)  # noqa: FBT003 - SQL's own
"""For this transaction alone: the work may take minutes."""


@contextmanager
def alone(database: Database, lock: int) -> Iterator[bool]:
    """Whether the lock was acquired; it is held until the end of the block.

    The lock belongs to a transaction and not to the connection, so that it also holds behind a pooler that gives each
    transaction another connection. The transaction has nothing else: no row lock, and no snapshot that would delay
    VACUUM.

    PostgreSQL releases the lock when the process dies, but also when the connection is lost while the work continues:
    the work must be harmless if it is done twice.

    Raises:
        DatabaseUnavailableError: it cannot be known.
    """
    with Translated(host=database.host):
        connection = database.connect()
        is_ours = bool(connection.scalar(select(func.pg_try_advisory_xact_lock(lock), _MAY_WAIT)))
    with connection:
        try:
            yield is_ours
        finally:
            with suppress(DBAPIError):  # a connection that is lost has given the lock back
                connection.rollback()
