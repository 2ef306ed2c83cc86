"""The door to PostgreSQL: transactions, their time limits, and one error for a database that cannot serve now."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Insert, Table, Update, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

STATEMENT_TIMEOUT_SECONDS: Final = 15
"""Longer than any statement of ours on a healthy server; shorter than a lease."""

LOCK_TIMEOUT_SECONDS: Final = 10
"""Row locks are held for one short transaction, never during a call to Stripe: waiting longer is a fault."""

CONNECT_TIMEOUT_SECONDS: Final = 5


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot serve now: away, restarting, out of connections, or undoing one of two that deadlocked."""


class NotMigratedError(DatabaseUnavailableError):
    """A table or a column is not there (yet): migrations have to be run, and whoever waits for that goes on."""


NOT_THERE: Final = frozenset({"42P01", "42703"})
"""PostgreSQL's codes for an undefined table and an undefined column."""


class Database:
    """Connections to one Payment Database. Made after a fork: a connection may not be shared with a child."""

    def __init__(self, url: str, *, connections: int = 5) -> None:
        self.engine = create_engine(
            sqlalchemy_url(url),
            pool_size=connections,
            max_overflow=connections,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            hide_parameters=True,  # an error's text must not carry a customer's data
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "application_name": "payment-worker",
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
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
        try:
            with self.engine.begin() as connection:
                yield connection
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

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def sqlalchemy_url(url: str) -> str:
    """The same address with the driver that we use."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is to be inserted."""

    table: Table
    values: Mapping[str, Any]


Write = Row | Update
"""One thing that is to be written."""


def write(connection: Connection, writes: Sequence[Write]) -> None:
    """Several inserts and updates of different rows as one statement, for one round trip instead of many.

    PostgreSQL runs the parts of such a statement in any order. Rows of one table are one part of it, so that
    they are numbered in the order given.
    """
    rows: dict[tuple[Table, tuple[str, ...]], list[dict[str, Any]]] = {}
    for each in writes:
        if isinstance(each, Row):
            rows.setdefault((each.table, tuple(each.values)), []).append(dict(each.values))
    statements: list[Insert | Update] = [
        # SQLAlchemy does not cache what it compiles for several, so that one is not made to look like them.
        table.insert().values(many if len(many) > 1 else many[0])
        for (table, _), many in rows.items()
    ]
    statements += [each for each in writes if isinstance(each, Update)]
    if statements:
        *others, last = statements
        connection.execute(last.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(others))))
