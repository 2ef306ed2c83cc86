"""Validates a queue entry's message envelope, and wraps what kombu cannot decode into one that it can."""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from kombu.utils.json import object_hook

# Stripe's largest events are a few hundred kilobytes. More than this is a mistake, and would be copied four
# times: into `unacked`, to the child, back, and into PostgreSQL.
MAX_ITEM_BYTES = 4 * 1024 * 1024
# Of an item that is too large only its beginning is carried on.
KEPT_BYTES = 64 * 1024
# What is nested some hundred times can be read, but neither written again nor handed to a child (seen with Python
# 3.11). Our own arguments are nested twice.
MAX_DEPTH = 50
# The header that says why an item was put into an envelope of ours.
UNREADABLE = "payment_worker.unreadable"

_CONTAINERS = (dict, list)
_SURROGATE = re.compile("[\ud800-\udfff]")
# No set: what is compared with these may be anything, a list too.
_BODY_ENCODINGS = (None, "", "utf-8", "base64")
# What kombu's `loads` makes anew for each text.
_decoded = json.JSONDecoder(object_hook=object_hook).decode


def enveloped(item: bytes, *, queue: str) -> bytes:
    """The item itself if kombu can open it and put it back into its queue; otherwise a message that holds it.

    kombu does not check the entries of a queue. One that it cannot decode stops the worker after it has left the
    queue and before it is in `unacked`: it would be lost, and the worker restarted. In an envelope it is an
    ordinary message, which the consumer can store as rejected and acknowledge.
    """
    if len(item) > MAX_ITEM_BYTES:
        reason = f"{len(item)} bytes are more than a message may have"
        return envelope(_truncated(item), queue=queue, reason=reason)
    try:
        message = _decoded(item.decode())
        fault = _unopenable(message)
    except Exception:  # noqa: BLE001 kombu's reviver raises what it likes: ValueError, KeyError, RecursionError, …
        return envelope(item, queue=queue, reason="this is not JSON")
    if fault:
        return envelope(item, queue=queue, reason=fault)
    return item if _returns_to(queue, message) else _readdressed(item, queue)


def _unopenable(message: object) -> str | None:
    if not isinstance(message, dict) or not isinstance(message.get("properties"), dict):
        return "this is not a message: no object with properties"
    properties, headers = message["properties"], message.get("headers")
    tag = properties.get("delivery_tag")
    if not isinstance(tag, str) or not tag or _SURROGATE.search(tag):
        return "properties.delivery_tag must be a text"
    if not isinstance(properties.get("delivery_info") or {}, dict):
        return "properties.delivery_info must be an object"
    if not isinstance(headers, dict):
        return "headers must be an object"
    if headers.get("compression"):
        return "compressed messages are not taken: a small one may unfold to more than there is memory"
    if is_too_deep([headers, properties]):
        return f"headers and properties may be nested {MAX_DEPTH} times at most"
    return _unopenable_body(message.get("body"), properties.get("body_encoding"))


def is_too_deep(value: object) -> bool:
    """Whether this is nested more deeply than we accept, determined without recursion."""
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, _CONTAINERS)
        ]
        if not level:
            return False
    return True


def _unopenable_body(body: object, encoding: object) -> str | None:
    if not isinstance(body, str):
        return "the body must be a text"
    if encoding not in _BODY_ENCODINGS:
        return "properties.body_encoding must be base64 or utf-8"
    if encoding == "base64":
        try:
            base64.b64decode("".join(body.split()), validate=True)
        except (binascii.Error, ValueError):
            return "the body is not base64"
    return None


def _truncated(item: bytes) -> bytes:
    """The beginning of what a large item says: encoded, what is sensitive in it would not be recognised."""
    try:
        message = _decoded(item.decode())
        return base64.b64decode(message["body"])[:KEPT_BYTES]
    except Exception:  # noqa: BLE001 as above
        return item[:KEPT_BYTES]


def _returns_to(queue: str, message: Mapping[str, Any]) -> bool:
    address = message["properties"].get("delivery_info") or {}
    return bool(address.get("routing_key") == queue and address.get("exchange") in ("", queue))


def _readdressed(item: bytes, queue: str) -> bytes:
    """The same message with the address it was found at, which is where it is put back."""
    message = json.loads(item)  # not revived: what kombu makes of a `__type__` could not be written again
    message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue}
    return json.dumps(message).encode()


def envelope(item: bytes, *, queue: str, reason: str) -> bytes:
    """A message that kombu can open, which holds an item and says why it cannot be run."""
    message = {
        "body": base64.b64encode(item).decode(),
        "content-type": "application/octet-stream",
        "content-encoding": "binary",
        "headers": {UNREADABLE: reason},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "body_encoding": "base64",
        },
    }
    return json.dumps(message).encode()
