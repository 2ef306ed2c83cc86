"""Runs the console until SIGTERM, and closes its resources in order."""

import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, Generic, NoReturn, TypeVar
from uuid import UUID

import uvicorn

from payment_worker import bootstrap
from payment_worker.celery import app as celery
from payment_worker.console.access import Access
from payment_worker.console.application import application
from payment_worker.console.context import Check, Console
from payment_worker.console.forms import Tokens
from payment_worker.console.rendering import Pages
from payment_worker.monitoring.collector import REDIS_SECONDS, State
from payment_worker.settings import Settings
from payment_worker.store.connection.database import Database
from payment_worker.store.rejected_requests import RejectedRequest
from payment_worker.telemetry import configure, logger

log = logger(__name__)

CONNECTIONS: Final = 4
"""To each database, and as many again for a moment: it is read by a few people at once."""

MOST_REQUESTS: Final = 200
BACKLOG: Final = 100
SHUTDOWN_SECONDS: Final = 20
"""For requests that are under way when the process is told to stop: longer than any statement takes."""

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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)  # uvicorn repeats the signal that it was stopped by
        log.info("console started", host=host, port=listener.getsockname()[1])
        uvicorn.Server(_config(chosen, examine)).run(sockets=[listener])


def _config(chosen: Settings, examine: Examine) -> uvicorn.Config:
    url = chosen.console_database_url or chosen.database_url
    reads = Database(url.get_secret_value() if url else "", connections=CONNECTIONS)
    state = State(
        database=reads,
        client=bootstrap.redis(chosen, timeout_seconds=REDIS_SECONDS),
        queues=[queue.name for queue in celery.conf.task_queues],
        stream=chosen.stream,
        clock=bootstrap.now,
    )
    tokens = Tokens(chosen, clock=bootstrap.now)
    writes = bootstrap.database(chosen, connections=CONNECTIONS)
    console = Console(
        reads=reads,
        writes=writes,
        send=_send,
        tokens=tokens,
        checks=Remembered(lambda: examine(chosen)),
        readings=Remembered(state.readings),
        clock=bootstrap.now,
        pages=Pages(clock=bootstrap.now, token=tokens.make),
        flower_url=chosen.console_flower_url,
    )

    def close() -> None:
        state.close()
        writes.close()

    return uvicorn.Config(
        application(console, Access(chosen), close=close),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # The peer's own address decides whether it is the proxy: no header may say otherwise.
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=MOST_REQUESTS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _send(request: RejectedRequest, message_id: UUID) -> None:
    celery.send_task(request.task, kwargs=dict(request.arguments), task_id=str(message_id))


class Remembered(Generic[Found]):
    """Checks or readings, made again once what they found is some seconds old."""

    def __init__(self, look: Callable[[], Sequence[Found]]) -> None:
        self._look = look
        self._lock = Lock()
        self._found: Sequence[Found] = ()
        self._until = 0.0

    def __call__(self) -> Sequence[Found]:
        """What was found."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = self._look()
                self._until = time.monotonic() + FRESH_SECONDS
            return self._found


def _leave(*_: object) -> NoReturn:
    sys.exit(0)
