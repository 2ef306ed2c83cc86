"""The dependencies of the console's pages: databases, checks, readings, templates."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from payment_worker.console.forms import Tokens
from payment_worker.console.rendering import Pages
from payment_worker.flows.replay_request import Send
from payment_worker.monitoring.check import Check
from payment_worker.monitoring.gauges import Reading
from payment_worker.store.connection.database import Connection, Database
from payment_worker.store.queries import console as queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Everything outside that a page touches."""

    reads: Database
    """Where pages read: a replica, perhaps."""
    writes: Database
    """The Payment Database itself, where operators act."""
    send: Send
    """Enqueues a request that was rejected."""
    tokens: Tokens
    checks: Callable[[], Sequence[Check]]
    """The doctor's, as they are now or were a few seconds ago."""
    readings: Callable[[], Sequence[Reading]]
    """What rows and queues tell."""
    clock: Callable[[], datetime]
    """The machine's, for people: nothing is decided by it."""
    pages: Pages
    flower_url: str | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that writes nothing.

        Raises:
            DatabaseUnavailableError: it cannot serve now.
        """
        with self.reads.begin() as connection:
            queries.read_only(connection)
            yield connection
