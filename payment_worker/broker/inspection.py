"""Whether a message is a task that this worker can run, told before Celery trips over it."""

from collections.abc import Container, Mapping
from datetime import UTC, datetime
from typing import Any

from celery.utils.time import maybe_iso8601, maybe_make_aware
from kombu.exceptions import ContentDisallowed

from payment_worker.broker.envelope import MAX_DEPTH, UNREADABLE, is_too_deep
from payment_worker.broker.transport import redeliveries
from payment_worker.settings import MAX_REDELIVERIES


def fault_in(
    message: Any,  # noqa: ANN401 kombu has no types
    *,
    tasks: Container[str],
    farthest_eta_seconds: float,
) -> str | None:
    """What is wrong with a message, in words that repeat nothing of its body. None: nothing.

    Args:
        message: as kombu opened it, of Celery's protocol 2 or 1.
        tasks: the names of those that we have.
        farthest_eta_seconds: how far ahead an `eta` may be. Redis hands one beyond the visibility timeout to
            workers again and again, and each of them runs it when its time has come.
    """
    if unreadable := message.headers.get(UNREADABLE):
        return str(unreadable)
    if redeliveries(message.headers) > MAX_REDELIVERIES:
        return f"it came back {redeliveries(message.headers)} times without having been finished"
    try:
        payload = message.payload
    except ContentDisallowed:
        return "only content of type application/json is taken"
    except Exception:  # noqa: BLE001 decoders raise what they like, RecursionError among it
        return "the body is not JSON"
    if is_too_deep(payload):
        return f"the body may be nested {MAX_DEPTH} times at most"
    protocol_2 = "task" in message.headers
    fields = message.headers if protocol_2 else payload
    return (
        _fault_in_body(payload, protocol_2=protocol_2)
        or _fault_in_fields(fields, tasks)
        or _fault_in_times(fields, farthest_eta_seconds)
    )


def _fault_in_body(payload: object, *, protocol_2: bool) -> str | None:
    match payload:
        case dict():
            args, kwargs, embed = payload.get("args", []), payload.get("kwargs", {}), None
        case [args, kwargs, embed] if protocol_2:
            pass
        case _:
            return "the body must be [args, kwargs, embed]" if protocol_2 else "there is no header task"
    if not isinstance(args, list):
        return "args must be a list"
    if not isinstance(kwargs, dict):
        return "kwargs must be an object"
    if not isinstance(embed, dict | None):
        return "embed must be an object"
    return None


def _fault_in_fields(fields: Mapping[str, Any], tasks: Container[str]) -> str | None:
    if not isinstance(fields.get("id"), str) or not fields["id"]:
        return "id must be a text"
    if not isinstance(fields.get("task"), str):
        return "task must be a text"
    if fields["task"] not in tasks:
        return "there is no task of this name"
    retries = fields.get("retries", 0)
    if not isinstance(retries, int) or retries < 0:
        return "retries must be a number"
    if not isinstance(fields.get("stamped_headers"), list | None):
        return "stamped_headers must be a list"
    if not isinstance(fields.get("stamps"), dict | None):
        return "stamps must be an object"
    return None


def _fault_in_times(fields: Mapping[str, Any], farthest_eta_seconds: float) -> str | None:
    try:
        times = {name: _instant(fields.get(name)) for name in ("eta", "expires")}
    except (ValueError, TypeError, AttributeError, OverflowError):
        return "eta and expires must be instants in ISO 8601"
    if times["eta"] and (times["eta"] - datetime.now(UTC)).total_seconds() > farthest_eta_seconds:
        return f"eta may be at most {farthest_eta_seconds:g} s ahead: keep what is to happen later yourself"
    return None


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    instant: datetime = maybe_make_aware(maybe_iso8601(value), UTC)
    return instant
