"""Runs the webhook receiver until SIGTERM, and closes its resources in order."""

import logging
import signal
import socket
import sys
from typing import Final, NoReturn

import uvicorn

from payment_worker import bootstrap
from payment_worker.celery import app as celery
from payment_worker.flows.events.inbox import receive_all
from payment_worker.monitoring.collector import state_of
from payment_worker.settings import Settings
from payment_worker.telemetry import configure, logger
from payment_worker.webhook.application import application
from payment_worker.webhook.batcher import THREADS, Batcher
from payment_worker.webhook.log_throttle import ThrottleFilter
from payment_worker.webhook.metrics import Metrics
from payment_worker.webhook.notifier import Notifier
from payment_worker.webhook.protocol import SLOWEST_SECONDS, with_deadline
from payment_worker.webhook.readiness import Readiness
from payment_worker.webhook.receiver import Receiver

log = logger(__name__)

MOST_REQUESTS: Final = 4_096
"""With more open connections the response is 503 at once, which Stripe retries."""

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep an idle connection (60 s): otherwise one could send a request while we close it."""

SHUTDOWN_SECONDS: Final = 20
"""Time for running requests to finish after SIGTERM: longer than any of them takes."""


def serve(*, host: str, port: int, slowest_seconds: float = SLOWEST_SECONDS) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one.

    Args:
        host: where to listen.
        port: likewise.
        slowest_seconds: how long the head of a request may take.

    Raises:
        SettingsError: with every fault.
        OSError: it cannot listen there.
    """
    chosen = Settings.from_environment(needed_by=("broker", "database", "webhook"), without=("stripe",))
    configure(log_format=chosen.log_format, level=chosen.log_level)
    logging.getLogger("uvicorn.error").addFilter(ThrottleFilter())
    with _listening(host, port) as listener:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)  # uvicorn repeats the signal that it was stopped by
        log.info("webhook receiver started", host=host, port=listener.getsockname()[1])
        uvicorn.Server(_config(chosen, slowest_seconds)).run(sockets=[listener])


def _config(chosen: Settings, slowest_seconds: float) -> uvicorn.Config:
    inbox = bootstrap.inbox(chosen, connections=THREADS + 1)  # readiness has one of its own
    state = state_of(chosen, queues=[queue.name for queue in celery.conf.task_queues])
    metrics = Metrics(state)
    notifier = Notifier(_notify, metrics)
    storing = Batcher(lambda events: receive_all(inbox, events, source="webhook"))
    receiver = Receiver(
        secrets=bootstrap.webhook_secrets(chosen),
        livemode=bootstrap.is_live(chosen),
        storing=storing,
        notifier=notifier,
        metrics=metrics,
    )
    readiness = Readiness(inbox.database)

    def close() -> None:
        storing.close()
        readiness.close()
        notifier.close()
        inbox.database.close()
        state.close()

    return uvicorn.Config(
        application(receiver, readiness, close=close),
        http=with_deadline(slowest_seconds),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=MOST_REQUESTS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _notify() -> None:
    celery.send_task("payment_worker.process_events")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _leave(*_: object) -> NoReturn:
    sys.exit(0)
