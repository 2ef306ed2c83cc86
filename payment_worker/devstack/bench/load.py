"""Load on a real worker: how much of its CPU and time so many tasks take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psutil
import redis
from celery import Celery

from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until

QUIET_SECONDS = 300.0
QUEUES = ("charges", "refunds", "events", "maintenance")


@dataclass(frozen=True, slots=True)
class Run:
    """One load and what it took."""

    tasks: int
    cpu_seconds: float
    seconds: float

    @property
    def cpu_milliseconds(self) -> float:
        """The worker's CPU time for each task."""
        return self.cpu_seconds / self.tasks * 1000

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds


def cpu_seconds(worker: Process) -> float:
    """CPU time that a worker and its children have taken so far."""
    family = [psutil.Process(pid) for pid in (worker.pid, *worker.descendants())]
    return sum(sum(one.cpu_times()[:2]) for one in family)


@contextmanager
def sender(redis_url: str) -> Iterator[Callable[[str, str, dict[str, Any]], None]]:
    """Another app: sends a task by name to a queue."""
    app = Celery("bench", broker=redis_url, set_as_current=False)
    app.conf.task_ignore_result = True
    try:
        yield lambda task, queue, arguments: app.send_task(task, kwargs=arguments, queue=queue) and None
    finally:
        app.pool.force_close_all()
        app.close()


def charge_arguments() -> dict[str, Any]:
    """An ordinary charge."""
    return {
        "payment_id": str(uuid4()),
        "order_id": str(uuid4()),
        "amount": 1099,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
    }


def measure(worker: Process, redis_url: str, *, tasks: int, send: Callable[[], None]) -> Run:
    """Enqueue tasks as fast as can be, and wait until nothing is left to do."""
    cpu, started = cpu_seconds(worker), time.monotonic()
    for _ in range(tasks):
        send()
    wait_until(lambda: is_quiet(redis_url), seconds=QUIET_SECONDS, what="all tasks done", every_seconds=0.02)
    return Run(tasks, cpu_seconds(worker) - cpu, time.monotonic() - started)


def is_quiet(redis_url: str) -> bool:
    """Whether no message waits and none is being worked on."""
    with redis.Redis.from_url(redis_url) as client:
        lengths: list[Any] = [client.llen(queue) for queue in QUEUES]
        held: Any = client.hlen("unacked")
        return bool(sum(lengths) + held == 0)
