"""The dependencies of the console's pages: databases, checks, readings, templates."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from threading import Lock
from typing import Any, Final, TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse

from payment_worker import bootstrap
from payment_worker.celery import app as celery
from payment_worker.console.forms import Done, Tokens
from payment_worker.console.rendering import environment
from payment_worker.monitoring.check import Check
from payment_worker.monitoring.collector import state_of
from payment_worker.settings import Settings
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import Connection, Database
from payment_worker.store.queries import console as queries
from payment_worker.store.rejected_requests import RejectedRequest
from payment_worker.telemetry.formats import duration

CONNECTIONS: Final = 4
"""To each database, and as many again for a moment: it is read by a few people at once."""

FRESH_SECONDS: Final = 10.0
"""How long what the checks found, and what waits, is shown again: they cost more than all else on a page."""

Examine = Callable[[Settings], Sequence[Check]]
"""Makes the doctor's checks of what these settings allow to be looked at."""
View = Callable[[Connection, Request], Mapping[str, Any]]
"""Reads what a template shows."""

Found = TypeVar("Found")


class Console:
    """Everything outside that a page touches. It connects on first use."""

    def __init__(self, chosen: Settings, *, examine: Examine) -> None:
        url = chosen.console_database_url or chosen.database_url
        # Where pages read: a replica, perhaps. Operators act in the Payment Database itself.
        self._reads = Database(url.get_secret_value() if url else "", connections=CONNECTIONS)
        self.writes = bootstrap.database(chosen, connections=CONNECTIONS)
        self.tokens = Tokens(chosen, clock=bootstrap.now)
        queues = [queue.name for queue in celery.conf.task_queues]
        self._state = state_of(chosen, queues=queues, database=self._reads)
        self.readings = _remembered(self._state.readings)
        self.checks = _remembered(lambda: examine(chosen))
        self._templates = environment(flower_url=chosen.console_flower_url)

    def close(self) -> None:
        """Close the connections."""
        self._state.close()
        self.writes.close()

    def send(self, request: RejectedRequest, message_id: UUID) -> None:
        """Enqueue a request that was rejected."""
        celery.send_task(request.task, kwargs=dict(request.arguments), task_id=str(message_id))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that writes nothing.

        Raises:
            DatabaseUnavailableError: it cannot serve now.
        """
        with self._reads.begin() as connection:
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
            "path": request.scope["path"],
            "token": self.tokens.make(user.name) if user and user.may_act else "",
            "done": next((each.sentence for each in Done if each == request.query_params.get("done")), ""),
            "now": now,
            "ago": lambda at: duration(max(now - at, timedelta())),
        }
        values["parts"] = self._templates.get_template("parts.html").make_module(values)
        return HTMLResponse(self._templates.get_template("base.html").render(values), http_status)


def _remembered(look: Callable[[], Sequence[Found]]) -> Callable[[], Sequence[Found]]:
    """The same, looked at again once what it found is some seconds old."""
    recent, lock = lru_cache(maxsize=1)(lambda _: look()), Lock()

    def fresh() -> Sequence[Found]:
        with lock:
            return recent(time.monotonic() // FRESH_SECONDS)

    return fresh
