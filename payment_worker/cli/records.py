"""The Payment Database as commands reach it: one transaction, and nothing of Redis or Stripe is even loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from payment_worker.settings import Settings
from payment_worker.store.database import Connection, Database


@contextmanager
def records() -> Iterator[Connection]:
    """One transaction.

    Raises:
        SettingsError: the settings do not name a database.
        DatabaseUnavailableError: it cannot serve now.
    """
    url = Settings.from_environment(needed_by=("database",)).database_url
    database = Database(url.get_secret_value() if url else "", connections=1)
    try:
        with database.begin() as connection:
            yield connection
    finally:
        database.close()


def now() -> datetime:
    """The clock."""
    return datetime.now(tz=UTC)
