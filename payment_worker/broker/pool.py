"""Celery's prefork pool, which survives that Redis is unreachable while a child exits."""

from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool as CeleryTaskPool


class Pool(AsynPool):  # type: ignore[misc] # Celery has no types
    """A pool that watches again only those children that have not been seen to end.

    One has that is seen to end but not reaped yet, for a moment. When the worker connects anew in that moment, Celery
    asks for a descriptor that is closed, and the worker ends (seen with celery 5.7.0 and kombu 5.7.0).
    """

    def _track_child_process(self, proc: Any, hub: Any) -> None:  # noqa: ANN401 billiard has no types
        if getattr(proc, "_sentinel_poll", hub) is None:
            return  # the round that the pool makes every few seconds reaps it
        super()._track_child_process(proc, hub)


class TaskPool(CeleryTaskPool):  # type: ignore[misc] # Celery has no types
    """What a worker with `--pool prefork`, or without `--pool`, runs its tasks in."""

    Pool = Pool
