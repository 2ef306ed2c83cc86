"""What the worker's main process holds of one message: fit to be looked at, and never dropped unfinished."""

import logging
from typing import Any

from celery.exceptions import WorkerLostError
from celery.worker.request import Request as CeleryRequest

from payment_worker.broker.redaction import TaskBrokeError, shown
from payment_worker.broker.rejection import keep_rejected

logger = logging.getLogger(__name__)


class Request(CeleryRequest):  # type: ignore[misc] # Celery has no types
    """A request whose arguments show ids only, and whose message outlives a task that broke."""

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
        """See that a task that broke, or killed its process, is not taken for done.

        Acknowledged, a request that had not been written down yet would be gone.
        """
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, TaskBrokeError):
            # It comes back after the visibility timeout; the consumer counts, and sets it aside in the end.
            self._leave()
        elif isinstance(error, WorkerLostError | SystemExit) and self._retries_are_spent():
            self._keep("its process died each time it was run")
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _retries_are_spent(self) -> bool:
        return bool(self.task.max_retries is not None and self._context.retries >= self.task.max_retries)

    def _keep(self, why: str) -> None:
        try:
            keep_rejected(self.app, self._type, self._kwargs, why)
        except Exception as error:  # noqa: BLE001 neither PostgreSQL's absence nor a bug may stop the worker
            logger.error("%s[%s] cannot be kept: %s", self.name, self.id, type(error).__name__)  # noqa: TRY400 a traceback may show arguments
            self._leave()

    def _leave(self) -> None:
        """Leave the message with Redis, neither acknowledged nor rejected, unless that has been done."""
        if not self.acknowledged:
            self.acknowledged = True
            self.message.channel.qos.leave(self.message.delivery_tag)
