"""Messages whose envelopes are wrong somewhere: each header and property in the place of each JSON type."""

import base64
import json
import random
import uuid
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from tests.broker.messages.raw import QUEUE

HEADERS: Final = (
    "task", "id", "lang", "root_id", "parent_id", "group", "group_index", "shadow", "eta", "expires", "retries",
    "timelimit", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers",
    "stamps", "redeliveries", "redelivered", "compression", "groups", "chord", "chain", "callbacks", "errbacks",
    "args", "kwargs", "utc", "headers", "properties", "delivery_info", "hostname", "is_eager", "called_directly",
    "payment_worker.looked", "payment_worker.unreadable", "traceparent", "tracestate", "baggage", "x-death",
)  # fmt: skip
PROPERTIES: Final = (
    "delivery_tag", "delivery_info", "delivery_mode", "body_encoding", "priority", "correlation_id", "reply_to",
    "type", "expiration", "message_id", "timestamp", "content_encoding",
)  # fmt: skip
OUTSIDE: Final = ("body", "headers", "properties", "content-type", "content-encoding", "redelivered")
DELIVERY: Final = ("exchange", "routing_key", "redelivered", "consumer_tag", "priority")
BODY: Final = ("args", "kwargs", "embed", "callbacks", "chord", "task", "id", "eta", "expires", "retries")


INSTANT: Final = "2026-01-01T00:00:00"
PLAIN: Final = (
    None, True, False, 0, -1, 1, 2**31, 2**64, -(2**64), 10**400, 0.5, 1e308, float("nan"), float("inf"),
    "", "a", "charges", "\0", "\ud800", "🂡" * 50, "x" * 70_000, "4242 4242 4242 4242", INSTANT, f"{INSTANT}Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "\x06\x16", "base64", "application/json",
)  # fmt: skip
NESTED: Final[tuple[Any, ...]] = (
    [], [[]], ["a"], [["a"]], [{}], [None, 1, "a"], {}, {"a": 1}, {"": None}, {"a": ["a"]}, {"a": {"a": {}}},
    {"__type__": "datetime", "__value__": INSTANT}, {"__type__": "bytes", "__value__": "YQ==", "bytes": 1},
    {"__type__": "uuid", "__value__": {"hex": "0" * 32}}, {"__type__": "decimal", "__value__": "1"},
    {"__type__": "datetime", "__value__": "never"}, {"exchange": ["a"], "routing_key": {"a": 1}},
)  # fmt: skip


def values(jitter: random.Random) -> list[Any]:
    """One of each JSON type, and what is rare of each."""
    return [
        *PLAIN,
        *deepcopy(NESTED),
        json.loads("[" * (depth := jitter.choice((5, 49, 60, 300))) + "]" * depth),
        [jitter.random() for _ in range(500)],
    ]


def messages(seed: int, count: int) -> Iterator[bytes]:
    """So many messages; the same for the same seed."""
    jitter = random.Random(seed)  # noqa: S311 no secret
    for _ in range(count):
        yield _message(jitter)


def _message(jitter: random.Random) -> bytes:
    headers: dict[str, Any] = {"task": "probe.take", "id": str(uuid.UUID(int=jitter.getrandbits(128)))}
    properties: dict[str, Any] = {
        "delivery_tag": str(uuid.UUID(int=jitter.getrandbits(128))),
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "body_encoding": "base64",
    }
    body: Any = [[], {"payment_id": "p"}, {}]
    message: dict[str, Any] = {
        "headers": headers,
        "properties": properties,
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
    if jitter.random() < 0.15:
        body = {**headers, "args": [], "kwargs": {"payment_id": "p"}}
        if jitter.random() < 0.8:
            headers.clear()
    for _ in range(jitter.choice((1, 1, 1, 2, 3))):
        body = _spoil(jitter, message, body)
    message.setdefault("body", base64.b64encode(json.dumps(body).encode()).decode())
    return _text(jitter, message)


def _spoil(jitter: random.Random, message: dict[str, Any], body: Any) -> Any:  # noqa: ANN401 anything
    value = jitter.choice(values(jitter))
    headers, properties = message.get("headers"), message.get("properties")
    match jitter.randrange(20):
        case 0:
            message[jitter.choice(OUTSIDE)] = value
        case 1:
            message.pop(jitter.choice(OUTSIDE), None)
        case 2 | 3 if isinstance(body, list):
            return [value if part == jitter.randrange(3) else each for part, each in enumerate(body)]
        case 2 | 3 | 4 if isinstance(body, dict):
            return {**body, jitter.choice(BODY): value}
        case 4:
            return value
        case 5 if isinstance(properties, dict) and isinstance(properties.get("delivery_info"), dict):
            properties["delivery_info"] = {**properties["delivery_info"], jitter.choice(DELIVERY): value}
        case 6 | 7 | 8 | 9 if isinstance(properties, dict):
            _replace(jitter, properties, PROPERTIES, value)
        case _ if isinstance(headers, dict):
            _replace(jitter, headers, HEADERS, value)
        case _:
            pass
    return body


def _replace(jitter: random.Random, fields: dict[str, Any], names: tuple[str, ...], value: object) -> None:
    name = jitter.choice(names)
    if jitter.random() < 0.1:
        fields.pop(name, None)
    else:
        fields[name] = value


def _text(jitter: random.Random, message: dict[str, Any]) -> bytes:
    text = json.dumps(message)
    match jitter.randrange(60):
        case 0:  # every field twice
            return f"{text[:-1]}, {text[1:]}".encode()
        case 1:
            return text[: jitter.randrange(len(text))].encode()
        case 2:
            return text.encode("utf-16")
        case _:
            return text.encode()
