"""The reference of the messages, made from their JSON Schemas."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from payment_worker.contracts.envelope import MESSAGE_TYPES, MessageType, envelope, schema
from payment_worker.contracts.messages import PaymentSucceeded

PAGE = """# Messages

Generated from the JSON Schemas in `payment_worker/contracts/schemas` by `tools/generate.py`.
`payment_worker/contracts/asyncapi.yaml` describes the same messages as AsyncAPI.

Every outcome is one entry of the Redis stream `payment_worker.events` (`PAYMENT_WORKER_STREAM`). Its field `event`
holds a [CloudEvents](https://cloudevents.io) 1.0 envelope as JSON. The sections below describe its `data`:

```json
{example}
```

Messages are published at least once, and in order for each payment. Ignore a message whose `id` you have already seen.
Fields without a value are omitted. New fields may be added, so ignore fields that you do not know. Amounts are in minor
units, and times are RFC 3339 in UTC. Missed messages can be [published again](../how-to/republish-messages.md).

{messages}
"""

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PAYMENT, ORDER = UUID("6f6e6520-646f-4f72-8000-616461707465"), UUID("0d9c4c9e-6f0b-4c58-9d57-0a2f6d7c1b11")
MESSAGE = UUID("3b0c3f4e-2f6d-4e0a-8a55-93d1c5a2b7e0")


def page() -> str:
    """The page as it must be."""
    return PAGE.format(example=_example(), messages="\n\n".join(map(_message, MESSAGE_TYPES)))


def _example() -> str:
    succeeded = PaymentSucceeded(
        payment_id=PAYMENT,
        order_id=ORDER,
        amount=4999,
        currency="EUR",
        succeeded_at=AT,
        processor_reference="ch_3Q8hW2LkdIwHu7ix0aFzT1sC",
    )
    told = envelope(
        message_id=MESSAGE, type="PaymentSucceeded", subject=PAYMENT, time=AT, data=succeeded.data()
    )
    return json.dumps(told, indent=2)


def _message(type_: MessageType) -> str:
    form: Mapping[str, Any] = schema(type_)
    rows = [_field(name, each, form["required"]) for name, each in form["properties"].items()]
    return "\n".join(
        (f"## {type_}", "", form["description"], "", "| field | | meaning |", "|---|---|---|", *rows)
    )


def _field(name: str, form: Mapping[str, Any], required: list[str]) -> str:
    optional = "" if name in required else ", optional"
    words = " One of " + ", ".join(f"`{each}`" for each in form["enum"]) + "." if "enum" in form else ""
    kind = {"uuid": "UUID", "date-time": "instant"}.get(form.get("format", ""), form["type"])
    return f"| `{name}` | {kind}{optional} | {form['description']}{words} |"
