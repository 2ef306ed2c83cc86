"""Builds the CloudEvents envelope of a published message, and loads the JSON Schemas of its data."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Literal, get_args
from uuid import UUID

MessageType = Literal[
    "PaymentRequested",
    "PaymentAuthorized",
    "PaymentActionRequired",
    "PaymentProcessing",
    "PaymentSucceeded",
    "PaymentFailed",
    "PaymentCanceled",
    "RefundRequested",
    "RefundPending",
    "RefundProcessed",
    "RefundFailed",
    "DisputeOpened",
    "DisputeClosed",
    "PaymentSuspected",
    "PayoutPaid",
    "PayoutFailed",
    "RequestRejected",
]
MESSAGE_TYPES: tuple[MessageType, ...] = get_args(MessageType)
SOURCE = "/payment-worker"


def envelope(
    *,
    message_id: UUID | str,
    type: MessageType,  # noqa: A002 - what CloudEvents calls it
    subject: UUID | str,
    time: datetime,
    data: Mapping[str, object],
) -> dict[str, object]:
    """The message in its CloudEvents 1.0 envelope, ready for JSON.

    Source and id together are unique: a receiver that has seen them has seen the message.
    """
    return {
        "specversion": "1.0",
        "id": str(message_id),
        "source": SOURCE,
        "type": type,
        "subject": str(subject),
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "dataschema": f"urn:payment-worker:message:{type}",
        "data": dict(data),
    }


def schema(type: MessageType) -> dict[str, object]:  # noqa: A002 - as in the envelope
    """The JSON Schema (draft 7) of the message's data, read afresh: the caller may change it."""
    file = resources.files("payment_worker.contracts") / "schemas" / f"{type}.schema.json"
    loaded: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def rfc3339(instant: datetime) -> str:
    """The instant in UTC, as JSON carries it: `2026-11-22T22:46:00Z`. It must know its zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant must know its zone")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
