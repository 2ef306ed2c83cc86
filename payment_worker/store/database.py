"""The door to PostgreSQL: transactions, their time limits, and one error for a database that cannot serve now."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

from payment_worker.store.watchdog import Watch

Connection = sqlalchemy.Connection
"""An open transaction. Whoever holds one may call the store; what the database is made with is its own matter."""

STATEMENT_TIMEOUT_SECONDS: Final = 15
"""Longer than any statement of ours on a healthy server; shorter than a lease."""

LOCK_TIMEOUT_SECONDS: Final = 10
"""Row locks are held for one short transaction, never during a call to Stripe: waiting longer is a fault."""

CONNECT_TIMEOUT_SECONDS: Final = 5

ANSWER_TIMEOUT_SECONDS: Final = 20
"""For a server that has frozen or cannot be reached any more. One that is well keeps the limit for statements first."""


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot serve now: away, restarting, out of connections, or undoing one of two that deadlocked."""


class NotMigratedError(DatabaseUnavailableError):
    """A table or a column is not there (yet): migrations have to be run, and whoever waits for that goes on."""


NOT_THERE: Final = frozenset({"42P01", "42703"})
"""PostgreSQL's codes for an undefined table and an undefined column."""


class Database:
    """Connections to one Payment Database. Made after a fork: a connection may not be shared with a child."""

    def __init__(
        self, url: str, *, connections: int = 5, answer_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> None:
        self._watch = Watch(seconds=answer_seconds)
        self.engine = create_engine(
            sqlalchemy_url(url),
            pool_size=connections,
            max_overflow=connections,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            hide_parameters=True,  # an error's text must not carry a customer's data
            connect_args={
                "connection_factory": self._watch.connection,
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "application_name": "payment-worker",
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": round(
                    answer_seconds * 1000
                ),  # keepalives wait while bytes are on their way
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c lock_timeout={LOCK_TIMEOUT_SECONDS}s"
                " -c idle_in_transaction_session_timeout=60s -c timezone=UTC",
            },
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises:
            DatabaseUnavailableError: it cannot be known whether a commit that was under way took effect.
        """
        with translated(), self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._watch.close()


@contextmanager
def translated() -> Iterator[None]:
    """Errors of a database that cannot serve now become one.

    Raises:
        DatabaseUnavailableError: it is away, or no connection to it is free.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailableError(type(error.orig).__name__) from None
    except NoConnectionFreeError:
        raise DatabaseUnavailableError("no connection became free") from None
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) in NOT_THERE:
            raise NotMigratedError("migrations have to be run") from None
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailableError(type(error.orig).__name__) from None
        raise


def sqlalchemy_url(url: str) -> str:
    """The same address with the driver that we use."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
