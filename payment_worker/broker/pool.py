"""Celery's prefork pool: survives Redis being away while a child exits, writes a job to an idle child at once."""

from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool as CeleryTaskPool


class Pool(AsynPool):  # type: ignore[misc] # Celery has no types
    """A pool that after a reconnect watches only those children that have not ended.

    For a moment a child has ended but is not reaped yet. If the worker reconnects in that moment, Celery uses a closed
    file descriptor, and the worker ends (seen with celery 5.7.0 and kombu 5.7.0).
    """

    _quick_put: Any
    on_poll_start: Any

    def _track_child_process(self, proc: Any, hub: Any) -> None:  # noqa: ANN401 billiard has no types
        if getattr(proc, "_sentinel_poll", hub) is None:
            return  # the pool reaps it within a few seconds
        super()._track_child_process(proc, hub)

    # test_pool: Celery waits for the next turn of the loop to learn that a child's pipe has room, and at each turn has
    # epoll forget every pipe, though none is watched (celery 5.7.0): a tenth of the main process's CPU.
    def _create_write_handlers(self, hub: Any, **options: Any) -> None:  # noqa: ANN401 kombu has no types
        super()._create_write_handlers(hub, **options)
        enqueue, watch_pipes, write = self._quick_put, self.on_poll_start, hub.consolidate_callback

        def put(job: Any) -> None:  # noqa: ANN401 billiard has no types
            """Enqueue a job and, if a child is idle, begin to write it; what its pipe cannot take follows later."""
            enqueue(job)
            if idle := self._all_inqueues - self._active_writes - self._busy_workers:
                write([idle.pop()])

        def on_poll_start() -> None:
            if self.outbound_buffer or hub.writers:
                watch_pipes()

        self._quick_put, self.on_poll_start = put, on_poll_start


class TaskPool(CeleryTaskPool):  # type: ignore[misc] # Celery has no types
    """What a worker with `--pool prefork`, or without `--pool`, runs its tasks in."""

    Pool = Pool
