"""Runs the webhook receiver until SIGTERM, and closes its resources in order."""

import logging
from functools import partial
from typing import Final

from starlette.types import ASGIApp

from payment_worker import bootstrap, http_server
from payment_worker.celery import app as celery
from payment_worker.flows.events.inbox import receive_all
from payment_worker.monitoring.collector import state_of
from payment_worker.settings import Settings
from payment_worker.telemetry import configure
from payment_worker.webhook.application import application
from payment_worker.webhook.batcher import THREADS, Batcher
from payment_worker.webhook.log_throttle import ThrottleFilter
from payment_worker.webhook.metrics import Metrics
from payment_worker.webhook.notifier import Notifier
from payment_worker.webhook.protocol import SLOWEST_SECONDS, with_deadline
from payment_worker.webhook.readiness import Readiness
from payment_worker.webhook.receiver import Receiver

MOST_REQUESTS: Final = 4_096
"""With more open connections the response is 503 at once, which Stripe retries."""

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep an idle connection (60 s): otherwise one could send a request while we close it."""


def serve(*, host: str, port: int, head_timeout_seconds: float = SLOWEST_SECONDS) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one.

    Args:
        host: where to listen.
        port: likewise.
        head_timeout_seconds: how long the head of a request may take.

    Raises:
        SettingsError: with every fault.
        OSError: it cannot listen there.
    """
    settings = Settings.from_environment(needed_by=("broker", "database", "webhook"), without=("stripe",))
    configure(log_format=settings.log_format, level=settings.log_level)
    logging.getLogger("uvicorn.error").addFilter(ThrottleFilter())
    http_server.serve(
        partial(_application, settings),
        started="webhook receiver started",
        host=host,
        port=port,
        http=with_deadline(head_timeout_seconds),
        loop="uvloop",
        backlog=BACKLOG,
        limit_concurrency=MOST_REQUESTS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        proxy_headers=False,
    )


def _application(settings: Settings) -> ASGIApp:
    database = bootstrap.database(settings, connections=THREADS + 1)  # readiness has one of its own
    state = state_of(settings, queues=[queue.name for queue in celery.conf.task_queues])
    metrics = Metrics(state)
    notifier = Notifier(_notify, metrics)
    batcher = Batcher(lambda events: receive_all(database, events, source="webhook", clock=database.now))
    receiver = Receiver(
        secrets=bootstrap.webhook_secrets(settings),
        livemode=bootstrap.is_live(settings),
        batcher=batcher,
        notifier=notifier,
        metrics=metrics,
    )
    readiness = Readiness(database)

    def close() -> None:
        batcher.close()
        readiness.close()
        notifier.close()
        database.close()
        state.close()

    return application(receiver, readiness, close=close)


def _notify() -> None:
    celery.send_task("payment_worker.process_events")
