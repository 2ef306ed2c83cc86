"""Runs work in only one process at a time, under a PostgreSQL advisory lock."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from payment_worker.store.connection.database import Database, translated

POLL_LOCK: Final = 0x706F6C6C
RECONCILE_LOCK: Final = 0x7265636F6E
PRUNE_LOCK: Final = 0x7072756E65
LEDGER_LOCK: Final = 0x6C6564676572

_MAY_WAIT: Final = func.set_config("idle_in_transaction_session_timeout", "0", True)  # noqa: FBT003 - SQL's own
"""For this transaction alone: the work may take minutes."""


@contextmanager
def alone(database: Database, lock: int) -> Iterator[bool]:
    """Whether nobody else does this now; meanwhile nobody else begins to.

    The lock is a transaction's and not the connection's, so that it holds behind a pooler too that gives each
    transaction another connection. Beside it the transaction has nothing: no row, and no snapshot that would keep
    PostgreSQL from tidying up.

    PostgreSQL frees the lock when the process dies. It also does when the connection is lost while the work goes on,
    so what is done under it must be harmless when it is done twice.

    Raises:
        DatabaseUnavailableError: it cannot be known.
    """
    with translated(host=database.host):
        connection = database.engine.connect()
        is_ours = bool(connection.scalar(select(func.pg_try_advisory_xact_lock(lock), _MAY_WAIT)))
    with connection:
        try:
            yield is_ours
        finally:
            with suppress(DBAPIError):  # a connection that is lost has given the lock back
                connection.rollback()
