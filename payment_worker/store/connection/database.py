"""Opens transactions on the Payment Database with time limits, and raises one error for every outage."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg2
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

from payment_worker.store.connection.address import CONNECT_TIMEOUT_SECONDS, engine, hosts
from payment_worker.store.connection.database_clock import DatabaseClock, machine_now
from payment_worker.store.connection.outage import (
    DatabaseUnavailableError,
    NotMigratedError,
    Outage,
    unavailable,
)
from payment_worker.store.connection.watchdog import Watch

__all__ = ["Connection", "Database", "DatabaseUnavailableError", "NotMigratedError", "Outage"]

Connection = sqlalchemy.Connection
"""An open transaction. Its holder may call the store; how the connection was created is the store's own matter."""

STATEMENT_TIMEOUT_SECONDS: Final = 15
"""Longer than any statement of ours on a healthy server; shorter than a lease."""

LOCK_TIMEOUT_SECONDS: Final = 10
"""Row locks are held for one short transaction, never during a call to Stripe: waiting longer is a fault."""

ANSWER_TIMEOUT_SECONDS: Final = 20
"""For a server that has frozen or cannot be reached any more. One that is well keeps the limit for statements first."""


STALE_POOL: Final = frozenset({Outage.READ_ONLY, Outage.CONNECTION_LOST, Outage.SHUTTING_DOWN})
"""Outages after which no connection that waits in the pool is of use: another server may be the primary now."""


class Database:
    """Connections to one Payment Database. Made after a fork: a connection may not be shared with a child."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 5,
        answer_seconds: float = ANSWER_TIMEOUT_SECONDS,
        statement_seconds: int = STATEMENT_TIMEOUT_SECONDS,
        machine_clock: Callable[[], datetime] = machine_now,
    ) -> None:
        self._clock = DatabaseClock(machine_clock)
        self._watch = Watch(seconds=answer_seconds)
        self.host = hosts(url)
        self.engine = engine(
            url,
            {
                "connection_factory": self._watch.connection,
                # Keepalives wait while bytes are on their way.
                "tcp_user_timeout": round(answer_seconds * 1000),
                "options": f"-c statement_timeout={statement_seconds}s"
                f" -c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c idle_in_transaction_session_timeout=60s -c timezone=UTC",
            },
            pool_size=connections,
            max_overflow=connections,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
        )
        event.listen(self.engine, "connect", lambda *_: self._clock.expire())

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises:
            DatabaseUnavailableError: a commit in progress may or may not have taken effect.
        """
        with self._translated(), self.engine.begin() as connection:
            if self._clock.is_due:
                self._clock.measure(connection)
            yield connection

    def run(self, statement: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Run one statement of the driver's own as a transaction; the first row that it returns, if there is one.

        For the two statements of every charge: BEGIN, COMMIT and SQLAlchemy's part cost as much as these do.

        Raises:
            DatabaseUnavailableError: the statement may or may not have taken effect.
        """
        if self._clock.is_due:
            with self.begin():
                pass
        with self._translated():
            pooled = self.engine.raw_connection()
            try:
                driver: Any = pooled.dbapi_connection
                driver.autocommit = True
                with driver.cursor() as cursor:
                    cursor.execute(statement, parameters)
                    row = cursor.fetchone()
                    names = [column.name for column in cursor.description]
                driver.autocommit = False
            except BaseException as error:
                pooled.invalidate(error)
                raise
            finally:
                pooled.close()
        return None if row is None else dict(zip(names, row, strict=True))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with translated(host=self.host):
                yield
        except DatabaseUnavailableError as error:
            if error.outage in STALE_POOL:
                self.engine.dispose()
            raise

    def now(self) -> datetime:
        """The time by PostgreSQL's clock.

        Raises:
            DatabaseUnavailableError: it was never read, and cannot be.
        """
        while (now := self._clock.now()) is None:
            with self.begin():
                pass
        return now

    def machine_skew(self) -> timedelta:
        """How far the clock of this machine was ahead of PostgreSQL's at the last measurement."""
        return self._clock.machine_skew

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._watch.close()


@contextmanager
def translated(*, host: str) -> Iterator[None]:
    """Raise one kind of error for every outage.

    Raises:
        DatabaseUnavailableError: PostgreSQL cannot serve now, or no connection to it is free.
    """
    try:
        yield
    except NoConnectionFreeError:
        raise DatabaseUnavailableError(Outage.POOL_EXHAUSTED, host=host) from None
    except (DBAPIError, psycopg2.Error) as error:
        outage = unavailable(error, host=host)
        if outage is None:
            raise
        raise outage from None
