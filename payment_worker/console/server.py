"""Runs the console until SIGTERM, and closes its resources in order."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from threading import Lock
from typing import Final, TypeVar
from uuid import UUID

from starlette.types import ASGIApp

from payment_worker import bootstrap, http_server
from payment_worker.celery import app as celery
from payment_worker.console.access import Access
from payment_worker.console.application import application
from payment_worker.console.context import Console
from payment_worker.console.forms import Tokens
from payment_worker.console.rendering import environment
from payment_worker.monitoring.check import Check
from payment_worker.monitoring.collector import state_of
from payment_worker.settings import Settings
from payment_worker.store.connection.database import Database
from payment_worker.store.rejected_requests import RejectedRequest
from payment_worker.telemetry import configure

CONNECTIONS: Final = 4
"""To each database, and as many again for a moment: it is read by a few people at once."""

MOST_REQUESTS: Final = 200
BACKLOG: Final = 100

FRESH_SECONDS: Final = 10.0
"""How long what the checks found, and what waits, is shown again: they cost more than all else on a page."""

Found = TypeVar("Found")
Examine = Callable[[Settings], Sequence[Check]]


def serve(*, host: str, port: int, examine: Examine) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one.

    Args:
        host: where to listen.
        port: likewise.
        examine: the doctor's checks of what these settings allow to be looked at.

    Raises:
        SettingsError: with every fault; without authentication it does not start.
        OSError: it cannot listen there.
    """
    chosen = Settings.from_environment(
        needed_by=("broker", "database", "console"), without=("stripe", "webhook")
    )
    configure(log_format=chosen.log_format, level=chosen.log_level)
    http_server.serve(
        partial(_application, chosen, examine),
        started="console started",
        host=host,
        port=port,
        backlog=BACKLOG,
        limit_concurrency=MOST_REQUESTS,
        # The peer's own address decides whether it is the proxy: no header may say otherwise.
        proxy_headers=False,
    )


def _application(chosen: Settings, examine: Examine) -> ASGIApp:
    url = chosen.console_database_url or chosen.database_url
    reads = Database(url.get_secret_value() if url else "", connections=CONNECTIONS)
    queues = [queue.name for queue in celery.conf.task_queues]
    state = state_of(chosen, queues=queues, database=reads)
    writes = bootstrap.database(chosen, connections=CONNECTIONS)
    console = Console(
        reads=reads,
        writes=writes,
        send=_send,
        tokens=Tokens(chosen, clock=bootstrap.now),
        checks=_remembered(lambda: examine(chosen)),
        readings=_remembered(state.readings),
        templates=environment(flower_url=chosen.console_flower_url),
    )

    def close() -> None:
        state.close()
        writes.close()

    return application(console, Access(chosen), close=close)


def _send(request: RejectedRequest, message_id: UUID) -> None:
    celery.send_task(request.task, kwargs=dict(request.arguments), task_id=str(message_id))


def _remembered(look: Callable[[], Sequence[Found]]) -> Callable[[], Sequence[Found]]:
    """The same, looked at again once what it found is some seconds old."""
    recent, lock = lru_cache(maxsize=1)(lambda _: look()), Lock()

    def fresh() -> Sequence[Found]:
        with lock:
            return recent(time.monotonic() // FRESH_SECONDS)

    return fresh
