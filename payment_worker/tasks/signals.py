"""Celery signal handlers that bind log context and record each run's outcome and duration.

Celery calls these where the task runs: in a pool's child, or in its thread.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from celery import Task, states
from celery.signals import task_postrun, task_prerun

from payment_worker import bootstrap
from payment_worker.broker.shown_arguments import RequestRejectedError, shown
from payment_worker.redis.heartbeats import SWEEPS
from payment_worker.telemetry import forget, learned, logger
from payment_worker.telemetry.metrics import OTHER, QUEUE_TASKS, QUEUES, TASK_SECONDS, TASKS_ENDED, task_label
from payment_worker.telemetry.recorder import count, observe

log = logger(__name__)

_began: ContextVar[float] = ContextVar("began")

ENDS: Final = {states.SUCCESS: "succeeded", states.RETRY: "retried"}


@task_prerun.connect
def _begin(*, sender: Task, task_id: str, kwargs: Mapping[str, Any], **_: object) -> None:
    forget()
    learned(task=sender.name, task_id=task_id, **shown(kwargs))
    _began.set(time.monotonic())


@task_postrun.connect
def _end(*, sender: Task, state: str | None, retval: object, **_: object) -> None:
    task, outcome, seconds = task_label(sender.name), _outcome(state, retval), time.monotonic() - _began.get()
    count(TASKS_ENDED, task, outcome)
    count(QUEUE_TASKS, _queue(sender))
    observe(TASK_SECONDS, task, seconds=seconds)
    is_sweep = state == states.SUCCESS and task in SWEEPS
    if is_sweep:
        bootstrap.process().sweeps.record(task, now=bootstrap.now())
    # A periodic task that found something has logged that itself; thousands of runs a day find nothing.
    write_log = log.debug if is_sweep else log.info
    write_log("task finished", outcome=outcome, duration_seconds=round(seconds, 3), **_result_fields(retval))
    forget()


def _result_fields(retval: object) -> Mapping[str, object]:
    """What the task did, of what it returned; a task that succeeded may have been declined."""
    if not isinstance(retval, Mapping):
        return {}
    return {name: retval[name] for name in ("status", "reason") if retval.get(name)}


def _queue(task: Task) -> str:
    """The queue that delivered it, which the sender may have chosen."""
    key = (task.request.delivery_info or {}).get("routing_key")
    if key not in QUEUES:
        # A client that wrote none, or a wrong one, uses the queue that the reference documents.
        key = task.app.conf.task_routes.get(task.name, {}).get("queue")
    return key or OTHER


def _outcome(state: str | None, retval: object) -> str:
    if state == states.FAILURE:
        return "rejected" if isinstance(retval, RequestRejectedError) else "broke"
    return ENDS.get(str(state), "other")
