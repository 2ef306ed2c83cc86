"""What every run of a task has in common for whoever watches: whose its log lines are, how it ended, how long it took.

Celery calls these where the task runs: in a pool's child, or in its thread.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from celery import Task, states
from celery.signals import task_postrun, task_prerun

from payment_worker import wiring
from payment_worker.broker.redaction import RequestRefusedError, shown
from payment_worker.sweeps import SWEEPS
from payment_worker.telemetry import forget, learned
from payment_worker.telemetry.counted import OTHER, QUEUE_TASKS, QUEUES, TASK_SECONDS, TASKS_ENDED, task_label
from payment_worker.telemetry.counting import count, observe

_began: ContextVar[float] = ContextVar("began")

ENDS: Final = {states.SUCCESS: "succeeded", states.RETRY: "retried"}


@task_prerun.connect
def _begin(*, sender: Task, task_id: str, kwargs: Mapping[str, Any], **_: object) -> None:
    forget()
    learned(task=sender.name, task_id=task_id, **shown(kwargs))
    _began.set(time.monotonic())


@task_postrun.connect
def _end(*, sender: Task, state: str | None, retval: object, **_: object) -> None:
    task = task_label(sender.name)
    count(TASKS_ENDED, task, _how(state, retval))
    count(QUEUE_TASKS, _queue(sender))
    observe(TASK_SECONDS, task, seconds=time.monotonic() - _began.get())
    if state == states.SUCCESS and task in SWEEPS:
        wiring.process().sweeps.note(task, now=wiring.now())
    forget()


def _queue(task: Task) -> str:
    """The queue that brought it: not always that of its name, for whoever sends it may choose another."""
    key = (task.request.delivery_info or {}).get("routing_key")
    if key not in QUEUES:
        # A client that wrote none, or a wrong one, uses the queue that the reference tells.
        key = task.app.conf.task_routes.get(task.name, {}).get("queue")
    return key or OTHER


def _how(state: str | None, retval: object) -> str:
    if state == states.FAILURE:
        return "refused" if isinstance(retval, RequestRefusedError) else "broke"
    return ENDS.get(str(state), "other")
