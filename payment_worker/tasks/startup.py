"""What a worker or beat does first: checks the settings, sets up its logs, and lets itself be watched."""

import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from celery.signals import beat_init, setup_logging, worker_init, worker_process_init
from prometheus_client.registry import Collector

from payment_worker.celery import app
from payment_worker.settings import Role, Settings, SettingsError
from payment_worker.telemetry import configure
from payment_worker.watching.counters import count_here
from payment_worker.watching.exposing import Exposed, expose
from payment_worker.watching.opening import state_of

_exposed: list[Exposed] = []


@setup_logging.connect
def _log(**_: object) -> None:
    chosen = Settings.from_environment(needed_by=())
    configure(log_format=chosen.log_format, level=chosen.log_level)


@worker_init.connect
def _begin_worker(**_: object) -> None:
    """A worker that cannot do its work says why, all of it, and does not start."""
    chosen = _settings(needed_by=("broker", "database", "stripe"))
    _expose(chosen, lambda: [count_here()])


@worker_process_init.connect
def _begin_child(**_: object) -> None:
    for exposed in _exposed:
        exposed.leave_to_parent()


@beat_init.connect
def _begin_beat(**_: object) -> None:
    """Beat is one process, and nothing of it forks: the place to tell what rows and queues hold."""
    if _exposed:  # of the worker that started it with -B, which tells what it counts
        return
    chosen = _settings(needed_by=("broker",))
    if chosen.metrics_port is not None:
        chosen = _settings(needed_by=("broker", "database"))
        _expose(chosen, lambda: [state_of(chosen, queues=[queue.name for queue in app.conf.task_queues])])


def _settings(*, needed_by: Iterable[Role]) -> Settings:
    try:
        return Settings.from_environment(needed_by=needed_by)
    except SettingsError as error:
        _give_up(str(error))


def _expose(chosen: Settings, collectors: Callable[[], Iterable[Collector]]) -> None:
    if chosen.metrics_port is None:
        return
    try:
        exposed = expose(collectors(), address=chosen.metrics_address, port=chosen.metrics_port)
    except OSError as error:
        _give_up(
            f"Metrics cannot be told on {chosen.metrics_address} port {chosen.metrics_port}: {error.strerror}."
        )
    _exposed.append(exposed)


def _give_up(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.exit(2)
