"""Sends tasks to a worker and measures the CPU time and the duration that they take."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psutil
import redis
from celery import Celery

from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until

QUIET_SECONDS = 300.0
QUEUES = ("charges", "refunds", "events", "maintenance", "celery")
SETTLE_SECONDS = 0.5
"""After the last acknowledgement: stock Celery acknowledges what it has yet to run, and our events leave later."""


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


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that these processes have taken so far; one that has ended counts for nothing."""
    taken = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            taken += sum(psutil.Process(pid).cpu_times()[:2])
    return taken


def family(worker: Process) -> tuple[int, ...]:
    """A worker's processes."""
    return (worker.pid, *worker.descendants())


def memory_megabytes(worker: Process) -> float:
    """What a worker and its children hold, each shared page counted once."""
    return float(sum(psutil.Process(pid).memory_full_info().pss for pid in family(worker))) / 1e6


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
    cpu, started = cpu_seconds(family(worker)), time.monotonic()
    for _ in range(tasks):
        send()
    wait_until_quiet(redis_url)
    seconds = time.monotonic() - started
    time.sleep(SETTLE_SECONDS)
    return Run(tasks, cpu_seconds(family(worker)) - cpu, seconds)


def wait_until_quiet(redis_url: str) -> None:
    """Wait until no message waits and none is being worked on."""
    with redis.Redis.from_url(redis_url) as client:
        wait_until(
            lambda: _is_quiet(client), seconds=QUIET_SECONDS, what="all tasks done", every_seconds=0.02
        )


def _is_quiet(client: redis.Redis) -> bool:
    lengths: list[Any] = [client.llen(queue) for queue in QUEUES]
    held: Any = client.hlen("unacked")
    return bool(sum(lengths) + held == 0)
