"""Reads the published messages from the Redis stream as another app would, and validates each against its schema."""

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from threading import Event, Thread
from typing import Any, Final, Self, cast

import redis
from jsonschema import Draft7Validator, FormatChecker

from payment_worker.contracts.envelope import MESSAGE_TYPES, MessageType, schema
from payment_worker.devstack.waiting import wait_until

_STREAM: Final = "payment_worker.events"
_READ_EVERY_SECONDS: Final = 1.5
"""Between two reads Redis may lose entries that were not read yet, as it may for a real consumer."""
_TIMEOUT_SECONDS: Final = 2.0
_BATCH_SIZE: Final = 1000


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """One message of the stream, at its first delivery."""

    message_id: str
    type: str
    subject: str
    """The refund's id, the dispute's or the warning's, or else the payment's."""


class StreamConsumer:
    """Consumes the stream in a thread. Duplicate messages are counted and otherwise ignored."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
        )
        self._last = "0-0"
        self._known: set[str] = set()
        self.published: dict[str, list[PublishedMessage]] = defaultdict(list)
        """By payment, in the order of their first appearance."""
        self.duplicates = 0
        self.invalid: list[str] = []
        self._stop = Event()
        self._thread = Thread(target=self._run, name="consumer", daemon=True)

    @property
    def count(self) -> int:
        """How many different messages were read so far."""
        return len(self._known)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._redis.close()

    def catch_up(self, *, seconds: float = 30) -> None:
        """Wait until the stream's last message was read."""

        def read_all() -> bool:
            last = self._redis.xrevrange(_STREAM, count=1)
            return not last or last[0][0] == self._last

        wait_until(read_all, seconds=seconds, what="the consumer has read the whole stream")

    def _run(self) -> None:
        while not self._stop.wait(_READ_EVERY_SECONDS):
            with suppress(redis.RedisError):
                while self._read():
                    pass

    def _read(self) -> bool:
        answer = self._redis.xread({_STREAM: self._last}, count=_BATCH_SIZE)
        for _, entries in answer:
            for entry_id, fields in entries:
                self._record(fields["event"])
                self._last = entry_id
        return bool(answer)

    def _record(self, text: str) -> None:
        event = json.loads(text)
        if event["id"] in self._known:
            self.duplicates += 1
            return
        self._known.add(event["id"])
        if error := _schema_error(event):
            self.invalid.append(f"{error}: {text}")
        data = event["data"]
        named = (data.get(name) for name in ("refundId", "disputeId", "warningId"))
        subject = next(filter(None, named), event["subject"])
        self.published[event["subject"]].append(PublishedMessage(event["id"], event["type"], subject))


def _schema_error(event: Mapping[str, Any]) -> str:
    if event["type"] not in MESSAGE_TYPES:
        return "unknown message type"
    subjects = (event["data"].get(name) for name in ("paymentId", "requestId", "payoutId"))
    if event["subject"] != next(filter(None, subjects), None):
        return "the envelope's subject is not what its data are about"
    found = _validator(event["type"]).iter_errors(event["data"])
    return "; ".join(f"{error.json_path} {error.message}" for error in found)


@cache
def _validator(message_type: str) -> Draft7Validator:
    return Draft7Validator(schema(cast("MessageType", message_type)), format_checker=FormatChecker())
