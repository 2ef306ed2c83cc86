"""Celery's consumer: rejects tasks that cannot run, and never starts a second run of a running task.

A message that is no task of ours is kept in `rejected_request`, then acknowledged. Celery itself would drop it
and log its whole body, stop, or pass it on to stop the next worker (seen with celery 5.7.0).
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from celery import signals
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from redis.exceptions import ConnectionError as NotConnectedError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoAnswerError
from vine import promise as vine_promise

from payment_worker.broker.acknowledgements import Acknowledgements
from payment_worker.broker.consumed_queues import Consuming
from payment_worker.broker.liveness import Liveness
from payment_worker.broker.read_message import ReadMessage
from payment_worker.broker.rejection import RejectedMessage, keep_rejected, rejected_message
from payment_worker.broker.task_events import TaskEvents
from payment_worker.broker.validate_message import Fault, RejectedMessageError, Rules, read
from payment_worker.broker.worker_heartbeat import Heart

logger = logging.getLogger(__name__)

HOUSEKEEPING: Final = "maintenance"

LONGEST_PAUSE_SECONDS: Final = 30.0
"""After PostgreSQL failed to store a message, it is not tried again for this long, and always for less than the
visibility timeout: each try may take 5 s, in which the worker receives nothing."""

_NOT_THE_MESSAGES_FAULT: Final = (NotConnectedError, NoAnswerError, ResponseError, OSError, MemoryError)
"""Redis or the system fails: Celery connects anew, or ends. redis-py's DataError is none: a value of ours raises it."""

_NOT_THESE = {
    # Replaced by ours.
    "celery.worker.consumer.heart:Heart",
    # Every worker would listen to every other's events, for elections that do not exist.
    "celery.worker.consumer.gossip:Gossip",
}


class Consumer(CeleryConsumer):  # type: ignore[misc] # Celery has no types
    """A consumer for money: whatever is in a queue, it is run, or kept, or stays with Redis."""

    _next_try_to_keep = 0.0

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc] # Celery has no types
        """Celery's own steps, with our Heart, batched events and acknowledgements, liveness file, consumed queues."""

        default_steps = (
            *(step for step in CeleryConsumer.Blueprint.default_steps if step not in _NOT_THESE),
            TaskEvents,
            Heart,
            Liveness,
            Consuming,
            Acknowledgements,
        )

    def create_task_handler(self, promise: Any = vine_promise) -> Callable[[Any], None]:  # noqa: ANN401
        """What is done with each message: read here, and given to Celery's own handler in the form it expects."""
        begin, rules = super().create_task_handler(promise), self._rules()

        def on_task_received(message: Any) -> None:  # noqa: ANN401 kombu has no types
            try:
                begin(ReadMessage(message, read(message, rules, now=datetime.now(UTC))))
            except RejectedMessageError as rejected:
                self.reject(message, rejected.fault, rejected.explanation)
            except _NOT_THE_MESSAGES_FAULT:
                raise
            except Exception as error:  # noqa: BLE001 whatever it is, the next worker would meet it too
                forget_request(message)
                self.reject(message, Fault.NOT_BEGUN, f"Celery cannot begin it: {type(error).__name__}")

        return on_task_received

    def _rules(self) -> Rules:
        conf = self.app.conf
        return Rules(
            queues={task: conf.task_taken_from.get(task, ()) for task in self.strategies},
            farthest_eta_seconds=self._visibility_seconds() / 2,
        )

    def reject(self, message: Any, fault: Fault, explanation: str) -> None:  # noqa: ANN401 kombu has no types
        """Keep a message that cannot be run, then acknowledge it; or else leave it with Redis."""
        rejected = rejected_message(message)
        if self._is_dropped(rejected, fault):
            logger.info("A scheduled run of %s had expired before a worker took it", rejected.task)
        elif not self._keep(message, rejected, fault, explanation):
            return
        message.ack_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def _is_dropped(self, rejected: RejectedMessage, fault: Fault) -> bool:
        """Whether nothing is lost with it: of beat's runs that could not begin in time the next one is enough."""
        routes = self.app.conf.task_routes or {}
        return fault is Fault.EXPIRED and routes.get(rejected.task, {}).get("queue") == HOUSEKEEPING

    def _keep(self, message: Any, rejected: RejectedMessage, fault: Fault, explanation: str) -> bool:  # noqa: ANN401
        if monotonic() < self._next_try_to_keep:
            message.channel.qos.leave(message.delivery_tag)
            return False
        try:
            keep_rejected(self.app, rejected, fault, explanation)
        except Exception as error:  # noqa: BLE001 neither PostgreSQL's absence nor a bug may stop the worker
            self._next_try_to_keep = monotonic() + self._pause_seconds()
            message.channel.qos.leave(message.delivery_tag)
            logger.error(  # noqa: TRY400 a traceback may show the message
                "A message for %s is rejected (%s) and cannot be kept (%s): it and those that come within %g s stay in"
                " Redis until the visibility timeout",
                rejected.task,
                explanation,
                type(error).__name__,
                self._pause_seconds(),
            )
            return False
        logger.warning("A message for %s is rejected and kept: %s", rejected.task, explanation)
        return True

    def _pause_seconds(self) -> float:
        return min(LONGEST_PAUSE_SECONDS, self._visibility_seconds() / 4)

    def _visibility_seconds(self) -> float:
        return float(self.app.conf.broker_transport_options["visibility_timeout"])

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401 kombu has no types
        """Called by kombu when the body is not what the headers promise."""
        self.reject(message, Fault.UNREADABLE, f"the body cannot be decoded: {type(exc).__name__}")

    def stop(self) -> None:
        """If the worker ends because of a fault, leave what it holds in `unacked`: its redelivery is counted."""
        if self.controller.exitcode and self.task_consumer:
            self.task_consumer.channel.qos.leave_all()
        super().stop()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Leave running tasks unacknowledged, so that Redis does not redeliver them while they finish here."""
        for request in tuple(state.active_requests):
            request.message.channel.qos.leave(request.message.delivery_tag)
        super().on_connection_error_after_connected(exc)

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 kombu has no types
        """Touch the liveness file while waiting for Redis: a restart would not help."""
        connect = conn.ensure_connection

        def ensure_connection(*args: Any, callback: Callable[[], None], **options: Any) -> Any:  # noqa: ANN401
            def every_second() -> None:
                callback()
                self.liveness.touch()

            return connect(*args, callback=every_second, **options)

        conn.ensure_connection = ensure_connection
        return super().ensure_connected(conn)


def forget_request(message: Any) -> None:  # noqa: ANN401 kombu has no types
    """Undo what Celery has recorded about a request that it failed to create from a message."""
    for request in (*state.reserved_requests, *state.scheduled_requests):
        if request.message.delivery_tag == message.delivery_tag:
            state.task_ready(request)
