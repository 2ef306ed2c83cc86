"""Registers in Redis which queues this worker consumes, so that a queue without a consumer is noticed."""

from collections.abc import Collection
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu.utils.imports import symbol_by_name

from payment_worker.redis.heartbeats import NOTED_EVERY_SECONDS


class Consuming(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Records them from the loop that receives messages, so that a worker that hangs there records nothing."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:  # noqa: ANN401
        self._notes: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:  # noqa: ANN401
        """Called at each connection to Redis."""
        self._record(consumer)
        self._notes = consumer.timer.call_repeatedly(NOTED_EVERY_SECONDS, self._record, (consumer,))

    def stop(self, _consumer: Any) -> None:  # noqa: ANN401
        """Called when Redis is gone, and before the worker ends."""
        if self._notes:
            self._notes.cancel()

    def shutdown(self, consumer: Any) -> None:  # noqa: ANN401
        """Record that a worker that ends consumes nothing any more."""
        self.stop(consumer)
        _record_consumed(consumer, ())

    def _record(self, consumer: Any) -> None:  # noqa: ANN401
        # Not what it was started with: `cancel_consumer` and `add_consumer` change it.
        _record_consumed(consumer, [queue.name for queue in consumer.task_consumer.queues])


def _record_consumed(consumer: Any, consumed: Collection[str]) -> None:  # noqa: ANN401
    conf = consumer.app.conf
    # Found when it is needed: what only routes or watches tasks need not load its code.
    record_consumed = symbol_by_name(conf.record_consumed)  # type: ignore[no-untyped-call] # kombu has no types
    record_consumed(consumer.hostname, consumed, queues=[queue.name for queue in conf.task_queues])
