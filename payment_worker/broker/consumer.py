"""Celery's consumer, which sets aside what it cannot run, and lets nobody's running task run a second time.

A message that is no task of ours is kept in `rejected_request`, then acknowledged. Celery itself would drop it
and log its whole body, stop, or pass it on to stop the next worker (seen with celery 5.7.0).
"""

import logging
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from redis.exceptions import RedisError
from vine import promise as vine_promise

from payment_worker.broker.heart import Heart
from payment_worker.broker.inspection import fault_in
from payment_worker.broker.liveness import Liveness
from payment_worker.broker.presence import Consuming
from payment_worker.broker.rejection import asked_by, keep_rejected

logger = logging.getLogger(__name__)

_NOT_THESE = {
    # Ours takes its place.
    "celery.worker.consumer.heart:Heart",
    # Every worker would listen to every other's events, for elections that nobody holds.
    "celery.worker.consumer.gossip:Gossip",
}


class Consumer(CeleryConsumer):  # type: ignore[misc] # Celery has no types
    """A consumer for money: whatever is in a queue, it is run, or kept, or stays with Redis."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc] # Celery has no types
        """Celery's own steps, with another heart, a sign of life, and a note of what it consumes."""

        default_steps = (
            *(step for step in CeleryConsumer.Blueprint.default_steps if step not in _NOT_THESE),
            Heart,
            Liveness,
            Consuming,
        )

    def create_task_handler(self, promise: Any = vine_promise) -> Callable[[Any], None]:  # noqa: ANN401
        """What is done with each message: Celery's own handler, behind a look at the message."""
        begin = super().create_task_handler(promise)
        farthest_eta_seconds = self.app.conf.broker_transport_options["visibility_timeout"] / 2

        def on_task_received(message: Any) -> None:  # noqa: ANN401 kombu has no types
            fault = fault_in(message, tasks=self.strategies, farthest_eta_seconds=farthest_eta_seconds)
            if fault:
                self.set_aside(message, fault)
                return
            try:
                begin(message)
            except (RedisError, OSError):
                # Redis is gone: Celery connects anew.
                raise
            except Exception as error:
                if message.headers.get("id") in state.requests:
                    raise
                self.set_aside(message, f"Celery cannot begin it: {type(error).__name__}")

        return on_task_received

    def set_aside(self, message: Any, why: str) -> None:  # noqa: ANN401 kombu has no types
        """Keep a message that cannot be run, then acknowledge it; or else leave it with Redis."""
        asked = asked_by(message)
        try:
            keep_rejected(self.app, asked, why)
        except Exception as error:  # noqa: BLE001 neither PostgreSQL's absence nor a bug may stop the worker
            message.channel.qos.leave(message.delivery_tag)
            logger.error(  # noqa: TRY400 a traceback may show the message
                "A message for %s cannot be run (%s) nor kept (%s): it stays in Redis until the visibility timeout",
                asked.task,
                why,
                type(error).__name__,
            )
            return
        message.ack_log_error(logger, self.connection_errors)
        logger.warning("A message for %s cannot be run and was kept as rejected: %s", asked.task, why)
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401 kombu has no types
        """Called by kombu when the body is not what the headers promise."""
        self.set_aside(message, fault_in_decoding(exc))

    def on_unknown_message(self, _body: object, message: Any) -> None:  # noqa: ANN401 kombu has no types
        """Called by Celery for what is no task at all."""
        self.set_aside(message, "this is no task message")

    def on_unknown_task(self, _body: object, message: Any, _exc: Exception) -> None:  # noqa: ANN401 kombu has no types
        """Called by Celery when it has no task of that name."""
        self.set_aside(message, "there is no task of this name")

    def on_invalid_task(self, _body: object, message: Any, _exc: Exception) -> None:  # noqa: ANN401 kombu has no types
        """Called by Celery when it cannot make a request of the message."""
        self.set_aside(message, "this is no valid task message")

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Leave what runs with Redis, so that it is not begun a second time while it goes on here."""
        for request in tuple(state.active_requests):
            request.message.channel.qos.leave(request.message.delivery_tag)
        super().on_connection_error_after_connected(exc)

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 kombu has no types
        """Show signs of life while waiting for Redis: a restart would not bring it back."""
        connect = conn.ensure_connection

        def ensure_connection(*args: Any, callback: Callable[[], None], **options: Any) -> Any:  # noqa: ANN401
            def every_second() -> None:
                callback()
                self.liveness.touch()

            return connect(*args, callback=every_second, **options)

        conn.ensure_connection = ensure_connection
        return super().ensure_connected(conn)


def fault_in_decoding(error: Exception) -> str:
    """Words for a decoder's error that repeat nothing of the message."""
    return f"the body cannot be decoded: {type(error).__name__}"
