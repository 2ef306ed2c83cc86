"""The base task: validates arguments, runs the flow, and turns its result into a return value or a Celery retry."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar

from celery import Task

from payment_worker import bootstrap
from payment_worker.broker.shown_arguments import RequestRejectedError
from payment_worker.broker.validate_message import countdown_header
from payment_worker.celery import app
from payment_worker.contracts.requests import FieldError, InvalidRequest, Request, parse
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, Conflict, Unfinished
from payment_worker.redis.stream import GATHERING_SECONDS
from payment_worker.settings import Settings
from payment_worker.store.connection.database import DatabaseUnavailableError
from payment_worker.telemetry import logger

log = logger(__name__)

RequestT = TypeVar("RequestT", bound=Request)
T = TypeVar("T")

LONGEST_COUNTDOWN_SECONDS: Final = 30.0
NO_LIMIT: Final = 1_000_000_000
"""For a retry that is counted by us or not at all. None would mean the task's own limit (celery 5.7.0)."""

MOST_RETRIES: Final = 4
"""Times that a task itself comes back to unfinished work; after that the sweep finds it, for the row says when."""


def longest_countdown(settings: Settings) -> float:
    """A delayed message is redelivered when the visibility timeout ends, so none waits near it."""
    return min(LONGEST_COUNTDOWN_SECONDS, settings.visibility_timeout / 4)


def within(seconds: float) -> Callable[[], bool]:
    """Whether this time has not passed yet."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def before_soft_limit(settings: Settings) -> float:
    """Seconds in which a task may begin a further step, such as a page or a batch, and still end in time."""
    return (settings.lease - settings.stripe_timeout) / 2


def growing_countdown(runs_before: int) -> float:
    """Seconds until a task's next run, after so many: doubled with each, from one up to the longest countdown."""
    return min(2.0 ** min(runs_before, 5), longest_countdown(bootstrap.settings()))


def parsed(
    task: Task, model: type[RequestT], args: Sequence[object], kwargs: Mapping[str, object]
) -> RequestT:
    """The request, or a rejection that names every bad field, with the request kept."""
    try:
        return parse(model, kwargs, args)
    except InvalidRequest as invalid:
        reject(task, {**kwargs, "args": list(args)} if args else kwargs, invalid.errors)


def check_account(task: Task, account: str | None, arguments: Mapping[str, object]) -> None:
    """Reject a request on an account that we have no key of."""
    if account and account not in bootstrap.api_keys(bootstrap.settings()):
        reject(task, arguments, [FieldError("account", "unknown", "is no account of STRIPE_API_KEYS")])


def reject(task: Task, arguments: Mapping[str, object], errors: Sequence[FieldError]) -> NoReturn:
    """Keep the request and end the task with one clear error.

    Raises:
        RequestRejectedError: always; no retry is spent on it.
    """
    fields = [error.as_dict() for error in errors]
    unless_unavailable(
        task, lambda: bootstrap.keep_rejected(task.name, arguments, fields, request_id=task.request.id)
    )
    message = "; ".join(f"{error.field} {error.message}" for error in errors)
    log.warning("request rejected", fault=message, task=task.name, request_id=task.request.id)
    raise RequestRejectedError(message)


def context(task: Task) -> Context:
    """The context, with this task as the actor."""
    return bootstrap.context(
        actor=f"{task.name} {task.request.id}", notify_relay=notify_relay, notify_import=notify_import
    )


def notify_relay() -> None:
    """Enqueue the outbox relay, unless it is enqueued already."""
    if bootstrap.process().stream.notify_relay():
        headers = countdown_header(GATHERING_SECONDS)
        _enqueue_hint("payment_worker.publish_events", countdown=GATHERING_SECONDS, headers=headers)


def notify_import(stripe_account: str) -> None:
    """Have the balance of an account imported."""
    _enqueue_hint("payment_worker.import_balance", kwargs={"stripe_account": stripe_account})


def notify_processing() -> None:
    """Have new events processed."""
    _enqueue_hint("payment_worker.process_events")


def notify_sweep() -> None:
    """Have due work swept before beat does."""
    _enqueue_hint("payment_worker.resume_stalled")


def _enqueue_hint(task: str, **options: Any) -> None:  # noqa: ANN401 - Celery's own
    """Enqueue what beat enqueues all the same, only later."""
    try:
        app.send_task(task, **options)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from Redis
        log.info("task not enqueued", task=task, error=type(error).__name__)


def unless_unavailable(task: Task, work: Callable[[], T]) -> T:
    """Run it; while PostgreSQL is unreachable, retry for as long as it takes."""
    try:
        return work()
    except DatabaseUnavailableError as error:
        countdown = growing_countdown(task.request.retries)
        log.warning("database unavailable", task=task.name, error=str(error), countdown=countdown)
        raise task.retry(countdown=countdown, max_retries=NO_LIMIT) from None


def apply_result(
    task: Task, result: CommandResult | Conflict, arguments: Mapping[str, object]
) -> Mapping[str, str | None]:
    """The task's result; or another run of it where the work is not finished and this task can finish it."""
    if isinstance(result, Conflict):
        error = FieldError(result.field, "conflict", "is taken by a request with other arguments")
        reject(task, arguments, [error])
    countdown = _countdown_until_due(task, result)
    if countdown is not None and task.request.retries < MOST_RETRIES:
        raise task.retry(countdown=countdown, max_retries=NO_LIMIT)
    return result.as_result()


def _countdown_until_due(task: Task, result: CommandResult) -> float | None:
    if result.due_again_at is None:
        return None
    # If the message is new, another worker has the lease and finishes the work. If redelivered, the owner may be dead.
    if result.unfinished is Unfinished.OTHERS and not _is_redelivered(task):
        return None
    settings = bootstrap.process().settings
    seconds = (result.due_again_at - bootstrap.process().database.now()).total_seconds() + 0.1
    return max(seconds, 0.1) if seconds <= longest_countdown(settings) else None


def _is_redelivered(task: Task) -> bool:
    delivery: Mapping[str, Any] = task.request.delivery_info or {}
    return bool(delivery.get("redelivered")) or task.request.retries > 0
