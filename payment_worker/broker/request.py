"""Celery's Request in the worker's main process: redacted, and never acknowledged before its task has ended."""

import logging
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import Ignore, Retry, TaskRevokedError, Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker import state
from celery.worker.request import Request as CeleryRequest
from redis.exceptions import RedisError

from payment_worker.broker.shown_arguments import RequestRejectedError, shown

logger = logging.getLogger(__name__)

# What a sender may want called when a task has ended. Celery enqueues it between the task's end and the
# acknowledgement, and an error there replaces the task's own outcome: with a callback for another app's queue, a task
# that had succeeded was recorded as failed, and one that had raised was acknowledged (seen with celery 5.7.0).
_NOTHING_AFTERWARDS = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))

_DECIDED = (RequestRejectedError, Ignore, Retry)
"""Ways in which a task itself decides what happens to its message.

Not `Reject`, which no task of ours raises: Celery raises it when a retry could not be enqueued, and then drops the
only message there is (seen with celery 5.7.0).
"""

_DIED = (WorkerLostError, SystemExit)
"""Its process ended. Celery enqueues it again, and counts that."""

_ENDED = (Terminated, TimeLimitExceeded, KeyboardInterrupt)
"""It was ended from outside. Celery knows what to do with its message."""


class Request(CeleryRequest):  # type: ignore[misc] # Celery has no types
    """A request that shows only ids, is acknowledged once its task ended, and is kept if that raised unexpectedly."""

    acknowledged: bool

    def __init__(self, message: Any, *, body: Any, decoded: bool, **options: Any) -> None:  # noqa: ANN401
        args, kwargs, _ = body if decoded else message.payload
        super().__init__(message, body=(args, kwargs, _NOTHING_AFTERWARDS), decoded=True, **options)
        self._argsrepr, self._kwargsrepr = "()", repr(shown(self._kwargs))
        # A caller may choose neither what our logs call the task nor how long it may run.
        self.name, self.time_limits = self._type, (None, None)
        # What the child writes into its logs and events.
        self._request_dict.update(
            argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr, shadow=None, timelimit=(None, None)
        )

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 Celery's signature
        """What `inspect active` and similar commands show, which would show all arguments."""
        return {**super().info(safe=True), "args": [], "kwargs": shown(self._kwargs)}

    def execute_using_pool(self, pool: Any, **options: Any) -> Any:  # noqa: ANN401 Celery has no types
        """Pass it to a process or thread; if that fails the message stays unacknowledged, and the failure is counted.

        Celery calls this when it has received the message, when its `eta` has come, or when another request has freed
        its slot: an exception here would end the worker without naming a message (seen with celery 5.7.0).
        """
        try:
            return super().execute_using_pool(pool, **options)
        except (TaskRevokedError, MemoryError, OSError, RedisError):
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, it must not end the worker
            logger.error(  # noqa: TRY400 a traceback may show the message
                "%s[%s] cannot be begun (%s): its message stays in Redis until the visibility timeout",
                self.name,
                self.id,
                type(error).__name__,
            )
            self._leave()
            state.task_ready(self)
            raise TaskRevokedError(self.id) from None  # has Celery free the slot, and do nothing else

    def on_failure(
        self,
        exc_info: Any,  # noqa: ANN401
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 Celery's signature
    ) -> None:
        """Leave the message unacknowledged if the task raised unexpectedly, or killed its process too often.

        If it were acknowledged, a request without a row would be lost. So it is redelivered after the visibility
        timeout; the consumer counts that, and finally stores it as rejected. Every unexpected exception counts,
        because Celery's own code before and after the task can fail as well.
        """
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if self._is_left(error):
            self._leave()
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _is_left(self, error: BaseException) -> bool:
        if isinstance(error, _DIED):
            return self._retries_are_spent()
        return not isinstance(error, _DECIDED + _ENDED)

    def _retries_are_spent(self) -> bool:
        return bool(self.task.max_retries is not None and self._context.retries >= self.task.max_retries)

    def _leave(self) -> None:
        """Leave the message with Redis, neither acknowledged nor rejected, unless that has been done."""
        if not self.acknowledged:
            self.acknowledged = True
            self.message.channel.qos.leave(self.message.delivery_tag)
