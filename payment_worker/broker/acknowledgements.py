"""Has acknowledgements wait for the next message, or a quarter of a second: one command of Redis serves both.

A worker that is killed meanwhile leaves messages of tasks that have ended. They are redelivered, like those of
tasks that were running: running any task twice is safe.
"""

import contextlib
from typing import Any, Final

from celery import bootsteps
from celery.concurrency.prefork import TaskPool
from celery.worker.consumer.tasks import Tasks
from redis.exceptions import RedisError

from payment_worker.broker.qos import QoS

EVERY_SECONDS: Final = 0.25
"""As often as task events are published."""


class Acknowledgements(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Has the task consumer's channel acknowledge together, for as long as the worker's loop runs."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:  # noqa: ANN401
        self._qos: QoS | None = None
        self._timer: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:  # noqa: ANN401
        """Called at each connection to Redis."""
        previous, qos = self._qos, consumer.task_consumer.channel.qos
        if not consumer.hub or not isinstance(qos, QoS):
            return  # without the loop, the timer would run in a thread of its own
        if previous:
            qos.take_over(previous)
        self._qos, qos.acknowledges_later = qos, True
        qos.takes_at_once = isinstance(consumer.pool, TaskPool)
        self._timer = consumer.timer.call_repeatedly(EVERY_SECONDS, qos.acknowledge_all)

    def stop(self, consumer: Any) -> None:  # noqa: ANN401
        """Called when Redis is gone, and before the worker ends: its last tasks are acknowledged one by one."""
        if self._timer:
            self._timer.cancel()
        if not self._qos:
            return
        self._qos.acknowledges_later = False
        if (
            consumer.blueprint.state != bootsteps.RUN
        ):  # otherwise Redis is gone: the next connection takes over
            with contextlib.suppress(RedisError, OSError):
                self._qos.acknowledge_all()
