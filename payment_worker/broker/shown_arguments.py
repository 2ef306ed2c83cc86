"""The task class that keeps arguments and errors out of logs, events, Flower, `inspect` and results.

Of arguments only ids of ours and of Stripe's are shown; of an unexpected error only its class and location, because an
exception's arguments may contain anything, and those of a StripeError its whole body.
"""

import re
from collections.abc import Mapping
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from payment_worker.broker.validate_message import countdown_header
from payment_worker.telemetry.exceptions import described

SHOWN = frozenset({"payment_id", "refund_id", "attempt_id", "event_id", "stripe_event_id", "run_id"})
# A uuid, an id of Stripe's, or a small number: nothing that a card number or an e-mail fits into.
_ID = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[a-z]{2,12}_[A-Za-z0-9_]{1,64}|[0-9]{1,11}",
    re.ASCII,
)


class TaskBrokeError(Exception):
    """An unexpected error, by its class and place alone."""


def shown(kwargs: object) -> dict[str, str]:
    """What may be seen of keyword arguments."""
    if not isinstance(kwargs, Mapping):
        return {}
    return {name: _shown(kwargs[name]) for name in sorted(SHOWN & kwargs.keys())}


def _shown(value: object) -> str:
    return str(value) if _ID.fullmatch(str(value)) else "…"


class RequestRejectedError(Exception):
    """A request that cannot be run as it is. Its message names fields and rules, never a value, and is shown."""


class RedactedTask(Task):  # type: ignore[misc] # Celery has no types
    """The base of every task of ours."""

    abstract = True
    throws = (RequestRejectedError,)
    Request = "payment_worker.broker.request:Request"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run it. In a worker, an unexpected error leaves it as a `TaskBrokeError`."""
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        failure: Exception
        try:
            return self.run(*args, **kwargs)
        except Retry as retry:
            reason = None if retry.exc is None else redacted(retry.exc)
            failure = Retry(retry.message, reason, retry.when, retry.is_eager, retry.sig)
        except (Ignore, Reject, RequestRejectedError) as decision:
            failure = decision
            failure.__cause__ = failure.__context__ = None
        except Exception as error:  # noqa: BLE001 whatever it is, it is told
            failure = redacted(error).with_traceback(error.__traceback__)
        # Out here it is not linked to the error that it replaces, which would be printed beside it.
        raise failure

    def retry(self, *args: Any, countdown: float | None = None, **options: Any) -> Any:  # noqa: ANN401
        """Retry it. The countdown begins when a worker receives it, by its clock: two may be minutes apart."""
        if countdown is not None:
            headers = options.pop("headers", None) or self.request.headers or {}
            options["headers"] = {**headers, **countdown_header(countdown)}
        return super().retry(*args, countdown=countdown, **options)

    def apply_async(
        self,
        args: Any = None,  # noqa: ANN401
        kwargs: Any = None,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Enqueue it, with nothing shown in its headers but ids."""
        redacted = {"argsrepr": "()", "kwargsrepr": repr(shown(kwargs))}
        return super().apply_async(args, kwargs, **{**options, **redacted})


def redacted(error: BaseException) -> TaskBrokeError:
    """What may be shown of an error: its class, and its innermost frame in our code."""
    return TaskBrokeError(described(error, except_module=__name__))
