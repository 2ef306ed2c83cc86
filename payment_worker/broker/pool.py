"""Celery's prefork pool, which survives that Redis is unreachable while a child exits."""

from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool as CeleryTaskPool


class Pool(AsynPool):  # type: ignore[misc] # Celery has no types
    """A pool that after a reconnect watches only those children that have not ended.

    For a moment a child has ended but is not reaped yet. If the worker reconnects in that moment, Celery uses a closed
    file descriptor, and the worker ends (seen with celery 5.7.0 and kombu 5.7.0).
    """

    def _track_child_process(self, proc: Any, hub: Any) -> None:  # noqa: ANN401 billiard has no types
        if getattr(proc, "_sentinel_poll", hub) is None:
            return  # the pool reaps it within a few seconds
        super()._track_child_process(proc, hub)


class TaskPool(CeleryTaskPool):  # type: ignore[misc] # Celery has no types
    """What a worker with `--pool prefork`, or without `--pool`, runs its tasks in."""

    Pool = Pool
