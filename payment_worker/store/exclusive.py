"""Work that only one process does at a time: an advisory lock of PostgreSQL's, held without a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from payment_worker.store.database import Database, DatabaseUnavailableError

POLL_LOCK: Final = 0x706F6C6C
RECONCILE_LOCK: Final = 0x7265636F6E
PRUNE_LOCK: Final = 0x7072756E65


@contextmanager
def alone(database: Database, lock: int) -> Iterator[bool]:
    """Whether nobody else does this now; meanwhile nobody else begins to.

    The lock is the connection's: PostgreSQL frees it when the process dies. It also does when the connection is
    lost while the work goes on, so what is done under it must be harmless when it is done twice.

    Raises:
        DatabaseUnavailableError: it cannot be known.
    """
    try:
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        is_ours = bool(connection.scalar(select(func.pg_try_advisory_lock(lock))))
    except DBAPIError as error:
        raise DatabaseUnavailableError(type(error.orig).__name__) from None
    with connection:
        try:
            yield is_ours
        finally:
            if is_ours:
                with suppress(DBAPIError):  # a connection that is lost has given the lock back
                    connection.scalar(select(func.pg_advisory_unlock(lock)))
