"""Opens the Payment Database for one command and one transaction, with the operator as actor."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Final

from payment_worker.settings import Settings
from payment_worker.store.connection.database import STATEMENT_TIMEOUT_SECONDS, Connection, Database

LONG_STATEMENT_SECONDS: Final = 600
"""For what reads months of the ledger: half a year of ten million balance transactions took 72 s on a busy machine."""

LATENCY_SECONDS: Final = 5
"""An answer may come so much later than the statement's end."""


@contextmanager
def records(*, statement_seconds: int = STATEMENT_TIMEOUT_SECONDS) -> Iterator[Connection]:
    """One transaction.

    Args:
        statement_seconds: how long a statement may take.

    Raises:
        SettingsError: the settings do not name a database.
        DatabaseUnavailableError: it cannot serve now.
    """
    url = Settings.from_environment(needed_by=("database",)).database_url
    database = Database(
        url.get_secret_value() if url else "",
        connections=1,
        statement_seconds=statement_seconds,
        answer_seconds=statement_seconds + LATENCY_SECONDS,
    )
    with closing(database), database.begin() as connection:
        yield connection


def now() -> datetime:
    """The clock."""
    return datetime.now(tz=UTC)


def operator() -> str:
    """The user's name and the machine's, as `requested_by` and the history show them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "somebody"
    return f"{user} on {socket.gethostname()}"
