"""The Payment Database as commands reach it: one transaction, and neither Redis nor Stripe is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from payment_worker import wiring
from payment_worker.settings import Settings


@contextmanager
def records() -> Iterator[Connection]:
    """One transaction.

    Raises:
        SettingsError: the settings do not name a database.
        DatabaseUnavailableError: it cannot serve now.
    """
    database = wiring.database(Settings.from_environment(needed_by=("database",)), connections=1)
    try:
        with database.begin() as connection:
            yield connection
    finally:
        database.close()
