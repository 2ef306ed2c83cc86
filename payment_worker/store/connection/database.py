"""Opens transactions on the Payment Database with time limits, and raises one error for every outage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final

import psycopg2
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

from payment_worker.store.connection.address import CONNECT_TIMEOUT_SECONDS, engine, hosts
from payment_worker.store.connection.autocommit import AutocommitConnections, Row
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
        self._translated = Translated(host=self.host, dispose=self._dispose)
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
        self._autocommit = AutocommitConnections(self.engine)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises:
            DatabaseUnavailableError: a commit in progress may or may not have taken effect.
        """
        with self._translated, self.connect() as connection, connection.begin():
            if self._clock.is_due:
                self._clock.measure(connection)
            yield connection

    def run(self, statement: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Run one statement of the driver's own as a transaction; the first row that it returns, if there is one.

        Raises:
            DatabaseUnavailableError: the statement may or may not have taken effect.
        """
        names, rows = self._run(statement, parameters)
        return dict(zip(names, rows[0], strict=True)) if rows else None

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The same; all rows that it returns."""
        return self._run(statement, parameters)[1]

    def _run(self, statement: str, parameters: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[Row]]:
        # For what is one statement and comes often: BEGIN, COMMIT and SQLAlchemy's part cost as much as that does.
        if self._clock.is_due:
            with self.begin():
                pass
        with self._translated:
            return self._autocommit.run(statement, parameters)

    def connect(self) -> Connection:
        """A connection of the pool, on which no transaction has begun."""
        self._autocommit.give_back()
        return self.engine.connect()

    def _dispose(self) -> None:
        self._autocommit.give_back()
        self.engine.dispose()

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
        self._dispose()
        self._watch.close()


class Translated:
    """Raises one kind of error for every outage: `DatabaseUnavailableError`.

    Args:
        dispose: called when no connection that waits in the pool is of use any more.
    """

    def __init__(self, *, host: str, dispose: Callable[[], None] = lambda: None) -> None:
        self._host = host
        self._dispose = dispose

    def __enter__(self) -> None:
        """It has no state: one serves all threads."""

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        """Raise the outage that the error means, if it means one."""
        if isinstance(error, NoConnectionFreeError):
            raise DatabaseUnavailableError(Outage.POOL_EXHAUSTED, host=self._host) from None
        if isinstance(error, DBAPIError | psycopg2.Error) and (outage := unavailable(error, host=self._host)):
            if outage.outage in STALE_POOL:
                self._dispose()
            raise outage from None
