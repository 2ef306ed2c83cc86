"""The dependencies of the console's pages: databases, checks, readings, templates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from payment_worker.console.forms import Done, Tokens
from payment_worker.flows.replay_request import Send
from payment_worker.monitoring.check import Check
from payment_worker.monitoring.gauges import Reading
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import Connection, Database
from payment_worker.store.queries import console as queries
from payment_worker.telemetry.formats import duration

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
    templates: Environment

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that writes nothing.

        Raises:
            DatabaseUnavailableError: it cannot serve now.
        """
        with self.reads.begin() as connection:
            queries.read_only(connection)
            yield connection

    def show(self, title: str, template: str, view: View, request: Request) -> HTMLResponse:
        """Answer a request with what a view reads, which may say more in the title."""
        with self.reading() as connection:
            values = {"title": title, **view(connection, request)}
            is_live = stripe_identity.is_live(connection)
        return self.render(request, template, is_live=is_live, **values)

    def render(
        self,
        request: Request,
        template: str,
        *,
        http_status: HTTPStatus = HTTPStatus.OK,
        **values: Any,  # noqa: ANN401 - what the template asks for
    ) -> HTMLResponse:
        """Answer a request with a page; the macros see what its template sees."""
        user, now = request.state.user, request.state.now
        values |= {
            "body": template,
            "user": user,
            "path": request.url.path,
            "token": self.tokens.make(user.name) if user and user.may_act else "",
            "done": next((each.sentence for each in Done if each == request.query_params.get("done")), ""),
            "now": now,
            "ago": lambda at: duration(max(now - at, timedelta())),
        }
        values["parts"] = self.templates.get_template("parts.html").make_module(values)
        return HTMLResponse(self.templates.get_template("base.html").render(values), http_status)
