"""What the worker's main process holds of one message: fit to be looked at, and never dropped unfinished."""

from typing import Any

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import WorkerLostError
from celery.worker.request import Request as CeleryRequest

from payment_worker.broker.redaction import TaskBrokeError, shown


class Request(CeleryRequest):  # type: ignore[misc] # Celery has no types
    """A request whose arguments show ids only, and whose message outlives a task that broke."""

    acknowledged: bool

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._argsrepr, self._kwargsrepr = "()", repr(shown(self._kwargs))
        # A caller may choose neither what our logs call the task nor how long it may run.
        self.name, self.time_limits = self._type, (None, None)
        # What the child writes into its logs and events.
        self._request_dict.update(
            argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr, shadow=None, timelimit=(None, None)
        )

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 Celery's signature
        """What `inspect active` and its kin show, which would ask for everything."""
        return {**super().info(safe=True), "args": [], "kwargs": shown(self._kwargs)}

    def on_failure(
        self,
        exc_info: Any,  # noqa: ANN401
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 Celery's signature
    ) -> None:
        """Leave the message of a task that broke, or that killed its process too often, with Redis.

        Acknowledged, a request that had not been written down yet would be gone. So it comes back after the
        visibility timeout; the consumer counts that, and sets it aside in the end.
        """
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        died = isinstance(error, WorkerLostError | SystemExit)
        if isinstance(error, TaskBrokeError) or (died and self._retries_are_spent()):
            self._leave()
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _retries_are_spent(self) -> bool:
        return bool(self.task.max_retries is not None and self._context.retries >= self.task.max_retries)

    def _leave(self) -> None:
        """Leave the message with Redis, neither acknowledged nor rejected, unless that has been done."""
        if not self.acknowledged:
            self.acknowledged = True
            self.message.channel.qos.leave(self.message.delivery_tag)
