"""Messages as a program that knows nothing of Celery might write them."""

import base64
import json
import uuid
from typing import Any

QUEUE = "charges"


def a_message(
    body: object = None,
    *,
    raw_body: str | None = None,
    headers: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
    envelope: dict[str, Any] | None = None,
) -> bytes:
    """An ordinary message for `probe.work`, but for what the test replaces. A header that is None is left out."""
    encoded = base64.b64encode(json.dumps([[], {}, {}] if body is None else body).encode()).decode()
    told = {"task": "probe.work", "id": str(uuid.uuid4()), **(headers or {})}
    message = {
        "body": encoded if raw_body is None else raw_body,
        "headers": {name: value for name, value in told.items() if value is not None},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "delivery_mode": 2,
            "body_encoding": "base64",
            **(properties or {}),
        },
        "content-type": "application/json",
        "content-encoding": "utf-8",
        **(envelope or {}),
    }
    return json.dumps(message).encode()
