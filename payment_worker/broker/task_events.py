"""Publishes task events, which Flower shows, in batches: one by one, each costs as much as an empty task.

Seen with celery 5.7.0: whatever has been buffered is published at each turn of the worker's loop, one or two events
at a time, each time for the price of a message.
"""

from typing import Any, Final

from celery import bootsteps
from celery.worker.consumer.events import Events

LEAVE_EVERY_SECONDS: Final = 0.25
"""Too short to notice in Flower, and a busy worker has dozens of events by then."""

LONGEST: Final = 200
"""Events in one message: about 100 KB, which a listener has room for many times over."""


class TaskEvents(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Has Celery's dispatcher publish what is buffered by a timer, and no more at each turn of the loop."""

    requires = (Events,)

    def __init__(self, consumer: Any, **options: Any) -> None:  # noqa: ANN401
        self._dispatcher: Any = None
        self._timer: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:  # noqa: ANN401
        """Called at each connection to Redis, for which Celery makes another dispatcher."""
        previous, self._dispatcher = self._dispatcher, consumer.event_dispatcher
        if not self._dispatcher or not self._dispatcher.buffer_group:
            return
        self._dispatcher.on_send_buffered, self._dispatcher.buffer_limit = None, LONGEST
        for group, events in previous._group_buffer.items() if previous else ():  # noqa: SLF001 Celery forgets it
            self._dispatcher._group_buffer[group].extend(events)  # noqa: SLF001
        self._timer = consumer.timer.call_repeatedly(LEAVE_EVERY_SECONDS, self._dispatcher.flush)

    def stop(self, _consumer: Any) -> None:  # noqa: ANN401
        """Called when Redis is gone, and before the worker ends."""
        if self._timer:
            self._timer.cancel()

    def shutdown(self, consumer: Any) -> None:  # noqa: ANN401
        """Publish the remaining events of a worker that ends, with one try, because Redis may be unreachable."""
        self.stop(consumer)
        if self._dispatcher:
            self._dispatcher.flush(errors=False)
