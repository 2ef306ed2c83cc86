"""Sends the worker heartbeat that Flower shows, without blocking the event loop.

Seen with celery 5.7.0: on a half-open connection the heartbeat is retried without end, on the thread that also
receives, acknowledges and handles SIGTERM. test_outage shows it.
"""

from typing import Any

from celery.worker import heartbeat
from celery.worker.consumer import heart


class _UnhurriedHeart(heartbeat.Heart):  # type: ignore[misc] # Celery has no types
    def _send(self, event: str, retry: bool = True) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 Celery's signature
        # What cannot be sent is kept by the dispatcher until Redis is back.
        return super()._send(event, retry=False)


class Heart(heart.Heart):  # type: ignore[misc] # Celery has no types
    """Celery's step of this name, with a heart that sends each heartbeat once."""

    def start(self, c: Any) -> None:  # noqa: ANN401
        """Called at each connection to Redis."""
        c.heart = _UnhurriedHeart(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()
