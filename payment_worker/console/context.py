"""The dependencies of the console's pages: databases, checks, readings, templates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console.forms import Tokens
from payment_worker.console.rendering import Pages
from payment_worker.flows.replay_request import Send
from payment_worker.monitoring.check import Check
from payment_worker.monitoring.gauges import Reading
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import Connection, Database
from payment_worker.store.queries import console as queries

View = Callable[[Connection, Request], Mapping[str, Any]]
"""Reads what a template shows."""


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
    pages: Pages

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that writes nothing.

        Raises:
            DatabaseUnavailableError: it cannot serve now.
        """
        with self.reads.begin() as connection:
            queries.read_only(connection)
            yield connection

    def page(self, request: Request, *, template: str, view: View) -> Response:
        """Show what a view reads."""
        with self.reading() as connection:
            values = view(connection, request)
            is_live = stripe_identity.is_live(connection)
        return self.pages.page(request, template, is_live=is_live, **values)
