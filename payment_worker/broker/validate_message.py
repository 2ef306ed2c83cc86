"""Validates a message's headers and arguments before Celery reads them, and normalises what it accepts.

Celery trusts every header that it finds. So it is shown none that was not read here, each of a known type: what is
needed to run the task, and what is carried on for tracing. All others are dropped.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from celery.utils.time import maybe_iso8601, maybe_make_aware
from kombu.exceptions import ContentDisallowed

from payment_worker.broker.envelope import MAX_DEPTH, UNREADABLE, is_too_deep
from payment_worker.broker.qos import REDELIVERIES, redeliveries
from payment_worker.settings import MAX_REDELIVERIES

LONGEST_ID: Final = 255
MOST_RETRIES: Final = 1_000_000
"""More were not counted by anybody: a task comes back every few seconds at most."""

TRACING: Final = ("traceparent", "tracestate", "baggage")
"""Headers of OpenTelemetry's propagators, carried on as they are."""
LONGEST_TRACING: Final = 8192
"""What W3C's baggage may have at most; a trace's state has 512."""

COUNTDOWN: Final = "payment_worker.countdown_ms"
"""The header with the milliseconds after which a message of a worker's runs. Its `eta` is by that worker's clock."""

OURS: Final = "payment_worker."
"""How the headers begin in which our own tasks count."""


def countdown_header(seconds: float) -> dict[str, int]:
    """That header."""
    return {COUNTDOWN: round(seconds * 1000)}


class Fault(StrEnum):
    """Why a message is rejected."""

    UNREADABLE = "unreadable"
    """kombu cannot open it."""
    MALFORMED = "malformed"
    UNKNOWN_TASK = "unknown_task"
    WRONG_QUEUE = "wrong_queue"
    """It is of a task that is not accepted from this queue."""
    EXPIRED = "expired"
    """It expired before a worker received it."""
    NEVER_FINISHED = "never_finished"
    """It was redelivered too often."""
    NOT_BEGUN = "not_begun"
    """Celery fails to create a request from it."""


class RejectedMessageError(Exception):
    """The message is no request that this worker runs. The explanation repeats nothing of the body."""

    def __init__(self, fault: Fault, explanation: str) -> None:
        self.fault, self.explanation = fault, explanation
        super().__init__(explanation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a worker accepts.

    Args:
        queues: its tasks, each with the queues from which it is accepted.
        farthest_eta_seconds: how far ahead an `eta` may be. Beyond the visibility timeout Redis
            redelivers the message to further workers, and each of them runs it at that time.
    """

    queues: Mapping[str, Collection[str]]
    farthest_eta_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """What a message requests."""

    request_id: str
    task: str
    kwargs: Mapping[str, object]
    args: list[object]
    queue: str
    eta: datetime | None
    retries: int
    was_returned: bool
    """Whether a worker had it before."""
    redeliveries: int
    carried: Mapping[str, object] = field(default_factory=dict)

    def headers(self) -> dict[str, object]:
        """As Celery's protocol 2 has them."""
        redelivery_header = {REDELIVERIES: self.redeliveries} if self.redeliveries else {}
        eta = {"eta": self.eta.isoformat()} if self.eta else {}
        own_headers = {"id": self.request_id, "task": self.task, "retries": self.retries, "lang": "py"}
        return {**self.carried, **redelivery_header, **eta, **own_headers}


def read(message: Any, rules: Rules, *, now: datetime) -> TaskMessage:  # noqa: ANN401 kombu has no types
    """Read what a message of Celery's protocol 2 or 1 requests.

    Raises:
        RejectedMessageError: it must not be run.
    """
    if unreadable := message.headers.get(UNREADABLE):
        raise RejectedMessageError(Fault.UNREADABLE, str(unreadable))
    payload, queue = _payload(message), str(message.delivery_info.get("routing_key"))
    is_protocol_2 = "task" in message.headers
    args, kwargs = _arguments(payload, is_protocol_2=is_protocol_2)
    fields = message.headers if is_protocol_2 else payload
    read_message = TaskMessage(
        request_id=_id(fields),
        task=_task(fields, queue, rules),
        args=args,
        kwargs=kwargs,
        queue=queue,
        eta=None,
        retries=_retries(fields),
        was_returned=bool(message.headers.get("redelivered")),
        redeliveries=redeliveries(message.headers),
        carried=_carried(message.headers),
    )
    return _with_eta(read_message, fields, rules, now)


def _payload(message: Any) -> Any:  # noqa: ANN401 kombu has no types
    try:
        payload = message.payload
    except ContentDisallowed:
        raise _malformed("only content of type application/json is taken") from None
    except Exception:  # noqa: BLE001 decoders raise what they like, RecursionError among it
        raise _malformed("the body is not JSON") from None
    if is_too_deep(payload):
        raise _malformed(f"the body may be nested {MAX_DEPTH} times at most")
    return payload


def _arguments(payload: object, *, is_protocol_2: bool) -> tuple[list[object], dict[str, object]]:
    match payload:
        case dict():
            args, kwargs, embed = payload.get("args", []), payload.get("kwargs", {}), None
        case [args, kwargs, embed] if is_protocol_2:
            pass
        case _:
            raise _malformed(
                "the body must be [args, kwargs, embed]" if is_protocol_2 else "there is no header task"
            )
    if not isinstance(args, list):
        raise _malformed("args must be a list")
    if not isinstance(kwargs, dict):
        raise _malformed("kwargs must be an object")
    if not isinstance(embed, dict | None):
        raise _malformed("embed must be an object")
    return args, kwargs


def _id(fields: Mapping[str, Any]) -> str:
    request_id = fields.get("id")
    if not _is_word(request_id):
        raise _malformed(f"id must be a text of 1 to {LONGEST_ID} characters that can be printed")
    return str(request_id)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()


def _task(fields: Mapping[str, Any], queue: str, rules: Rules) -> str:
    task = fields.get("task")
    if not isinstance(task, str):
        raise _malformed("task must be a text")
    queues = rules.queues.get(task)
    if not queues:  # Celery's own tasks are taken from no queue
        raise RejectedMessageError(Fault.UNKNOWN_TASK, "there is no task of this name")
    if queue not in queues:
        explanation = f"it must be sent to queue {' or '.join(sorted(queues))}"
        raise RejectedMessageError(Fault.WRONG_QUEUE, explanation)
    return task


def _retries(fields: Mapping[str, Any]) -> int:
    retries = fields.get("retries") or 0
    if not isinstance(retries, int) or not 0 <= retries <= MOST_RETRIES:
        raise _malformed("retries must be a number")
    return int(retries)


def _carried(headers: Mapping[str, Any]) -> dict[str, object]:
    ids = {name: headers[name] for name in ("root_id", "parent_id") if _is_word(headers.get(name))}
    tracing = {name: headers[name] for name in TRACING if _is_tracing(headers.get(name))}
    counts = {name: value for name, value in headers.items() if name.startswith(OURS) and type(value) is int}
    results = {name: headers[name] for name in ("ignore_result",) if isinstance(headers.get(name), bool)}
    return {**ids, **tracing, **counts, **results}


def _is_tracing(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TRACING and value.isprintable()


def _with_eta(message: TaskMessage, fields: Mapping[str, Any], rules: Rules, now: datetime) -> TaskMessage:
    """The message with its `eta` if that is still to come; `expires` has been judged, and is not carried on."""
    eta, expires = (_seconds_until(fields.get(name), now) for name in ("eta", "expires"))
    countdown = message.carried.get(COUNTDOWN)
    if isinstance(countdown, int):
        seconds = min(max(countdown, 0), rules.farthest_eta_seconds * 1000) / 1000
        # It began when the message was first received, so one that came back from a dead worker has waited already.
        eta = min(seconds, max(eta or 0.0, 0.0)) if message.was_returned else seconds
    if eta is not None and eta > rules.farthest_eta_seconds:
        limit = f"{rules.farthest_eta_seconds:g} s ahead"
        raise _malformed(f"eta may be at most {limit}: keep what is to happen later yourself")
    # A message that was received in time may have been started, and is then finished.
    is_new = not message.retries and not message.redeliveries
    if is_new and expires is not None and expires <= max(eta or 0, 0):
        raise RejectedMessageError(Fault.EXPIRED, "it had expired before a worker took it")
    if message.redeliveries > MAX_REDELIVERIES:
        explanation = f"it came back {message.redeliveries} times without having been finished"
        raise RejectedMessageError(Fault.NEVER_FINISHED, explanation)
    return replace(message, eta=now + timedelta(seconds=eta)) if eta and eta > 0 else message


def _seconds_until(value: object, now: datetime) -> float | None:
    """Seconds from now until an instant of the sender's; below zero: it has passed."""
    try:
        instant = _instant(value)
        seconds = (instant - now).total_seconds() if instant else None
    except Exception:  # noqa: BLE001 the parser raises what it likes, OverflowError among it
        seconds = math.nan
    if seconds is not None and math.isnan(seconds):
        raise _malformed("eta and expires must be instants in ISO 8601")
    return seconds


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError
    instant: datetime | None = maybe_iso8601(value)
    return maybe_make_aware(instant, UTC) if instant else None


def _malformed(explanation: str) -> RejectedMessageError:
    return RejectedMessageError(Fault.MALFORMED, explanation)
