"""Startup of a worker or beat: validates settings, configures logging, starts the metrics server."""

import gc
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from celery.concurrency import get_implementation, prefork, solo
from celery.signals import (
    beat_init,
    celeryd_after_setup,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
)
from prometheus_client.registry import Collector

from payment_worker.celery import app, check_result_backend
from payment_worker.monitoring.counters import count_here
from payment_worker.monitoring.http import Exposed, expose
from payment_worker.monitoring.tracing import ExtraMissingError, begin_tracing, check_extra
from payment_worker.settings import Role, Settings, SettingsError
from payment_worker.telemetry import configure

PROCESSES: Final = (prefork.TaskPool, solo.TaskPool)
"""Pools, ours among them, that say when a process begins in which tasks run."""

_exposed: list[Exposed] = []


@setup_logging.connect
def _log(**_: object) -> None:
    settings = Settings.from_environment(needed_by=())
    configure(log_format=settings.log_format, level=settings.log_level)


@worker_init.connect
def _begin_worker(*, sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery has no types
    """A worker that cannot do its work says why, all of it, and does not start."""
    settings = _settings(needed_by=("broker", "database", "stripe"))
    try:
        check_result_backend()
    except SettingsError as error:
        _give_up(str(error))
    _expose(settings, lambda: [count_here()])
    if settings.tracing:
        _check_extra()
    if not issubclass(get_implementation(sender.pool_cls), PROCESSES):
        _begin_tasks(settings)


@celeryd_after_setup.connect
def _freeze_what_is_loaded(**_: object) -> None:
    """Before the first child is forked: each collection writes into every object, and unshares its page."""
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _begin_child(**_: object) -> None:
    for exposed in _exposed:
        exposed.leave_to_parent()
    _begin_tasks(Settings.from_environment(needed_by=()))


def _begin_tasks(settings: Settings) -> None:
    """What begins in the process where tasks run."""
    if settings.tracing:
        end = begin_tracing()
        worker_process_shutdown.connect(lambda **_: end(), weak=False)


@beat_init.connect
def _begin_beat(**_: object) -> None:
    """Beat is one process that does not fork: the place to serve the gauges of rows and queues."""
    if _exposed:  # if a worker started it with -B, that worker serves its own counters
        return
    settings = _settings(needed_by=("broker",), without=("stripe", "webhook"))
    if settings.metrics_port is not None:
        settings = _settings(needed_by=("broker", "database"), without=("stripe", "webhook"))
        from payment_worker.monitoring.collector import state_of  # noqa: PLC0415 a worker has no use for it

        _expose(settings, lambda: [state_of(settings, queues=[queue.name for queue in app.conf.task_queues])])


def _settings(*, needed_by: Iterable[Role], without: Iterable[Role] = ()) -> Settings:
    try:
        return Settings.from_environment(needed_by=needed_by, without=without)
    except SettingsError as error:
        _give_up(str(error))


def _expose(settings: Settings, collectors: Callable[[], Iterable[Collector]]) -> None:
    if settings.metrics_port is None:
        return
    try:
        exposed = expose(collectors(), address=settings.metrics_address, port=settings.metrics_port)
    except OSError as error:
        _give_up(
            f"Metrics cannot be served on {settings.metrics_address} port {settings.metrics_port}: {error.strerror}."
        )
    _exposed.append(exposed)


def _check_extra() -> None:
    try:
        check_extra()
    except ExtraMissingError as error:
        _give_up(str(error))


def _give_up(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    sys.exit(2)
