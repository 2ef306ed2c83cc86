"""Stores messages that cannot be run in `rejected_request`, masked."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from kombu.utils.imports import symbol_by_name

from payment_worker.broker.envelope import KEPT_BYTES, UNREADABLE
from payment_worker.broker.validate_message import Fault
from payment_worker.contracts.faults import FieldError
from payment_worker.contracts.masking import mask_text

UNKNOWN = "unknown"
_PLAIN = re.compile(r"[\w.:-]{1,100}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RejectedMessage:
    """What a message requests, as far as it can be read."""

    request_id: str
    task: str
    arguments: Mapping[str, object]


def keep_rejected(app: Any, rejected: RejectedMessage, fault: Fault, explanation: str) -> None:  # noqa: ANN401 Celery has no types
    """Store a request that cannot be run, with sensitive values masked.

    Raises:
        Exception: it is not stored.
    """
    # Found when it is needed: what only routes or watches tasks has no database, and need not load its code.
    store = symbol_by_name(app.conf.keep_rejected)  # type: ignore[no-untyped-call] # kombu has no types
    error = FieldError(field="message", code=fault, message=explanation)
    store(rejected.task, rejected.arguments, [error.as_dict()], request_id=rejected.request_id)


def rejected_message(message: Any) -> RejectedMessage:  # noqa: ANN401 kombu has no types
    """Read what a message requests, as far as possible."""
    headers, value = message.headers, _payload(message)
    if UNREADABLE in headers and isinstance(value, dict):
        # A message that kombu could not open: encoded, what is sensitive in it would not be recognised.
        headers, value = value.get("headers"), _decoded(value)
    known_headers = headers if isinstance(headers, dict) else {}
    return RejectedMessage(
        request_id=_plain(known_headers.get("id")) or _delivered_as(message),
        # A name goes into the log as well.
        task=mask_text(_plain(known_headers.get("task")) or UNKNOWN),
        arguments=_arguments(value),
    )


def _delivered_as(message: Any) -> str:  # noqa: ANN401 kombu has no types
    """An id for what has none, the same at each delivery, so that a lost acknowledgement does not keep it twice."""
    return str(uuid5(NAMESPACE_OID, ascii(message.delivery_tag)))


def _plain(text: object) -> str | None:
    return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def _payload(message: Any) -> object:  # noqa: ANN401 kombu has no types
    try:
        payload: object = message.payload
    except Exception:  # noqa: BLE001 that it cannot be decoded may be why we are here
        payload = None
    return _read(message.body) if payload is None else payload


def _decoded(message: dict[str, Any]) -> object:
    body = message.get("body")
    if not isinstance(body, str):
        return message
    try:
        return _read(base64.b64decode(body, validate=True))
    except ValueError:
        return _read(body)


def _read(body: object) -> object:
    """The content of a body, parsed if possible, because the names in it decide what is masked.

    Not revived, as kombu does: nothing of it is run, and what made the reviver fail would hide all names.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:KEPT_BYTES]


def _arguments(value: object) -> dict[str, object]:
    match value:
        case [[] | None, dict() as kwargs, *_]:
            return dict(kwargs)
        case {"kwargs": dict() as kwargs, **rest} if not rest.get("args"):
            return dict(kwargs)
        case _:
            return {"body": value}
