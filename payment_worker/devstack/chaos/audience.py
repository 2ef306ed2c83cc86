"""Another app that reads what we tell: from the beginning to the end, whatever becomes of Redis meanwhile."""

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
_NAP_SECONDS: Final = 1.5
"""It reads now and then, as apps do: whatever Redis forgets in between has not been read."""
_TIMEOUT_SECONDS: Final = 2.0
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One message, where it was read first."""

    message_id: str
    type: str
    subject: str
    """The refund's id, the dispute's, or else the payment's."""


class Audience:
    """A thread that reads the stream. Doubled messages are counted and otherwise ignored, as consumers do."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
        )
        self._last = "0-0"
        self._known: set[str] = set()
        self.told: dict[str, list[Told]] = defaultdict(list)
        """By payment, in the order of their first appearance."""
        self.doubled = 0
        self.invalid: list[str] = []
        self._stop = Event()
        self._thread = Thread(target=self._run, name="audience", daemon=True)

    @property
    def count(self) -> int:
        """Different messages so far."""
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

        wait_until(read_all, seconds=seconds, what="the audience has read the whole stream")

    def _run(self) -> None:
        while not self._stop.wait(_NAP_SECONDS):
            with suppress(redis.RedisError):
                while self._read():
                    pass

    def _read(self) -> bool:
        answer = self._redis.xread({_STREAM: self._last}, count=_AT_ONCE)
        for _, entries in answer:
            for entry_id, fields in entries:
                self._hear(fields["event"])
                self._last = entry_id
        return bool(answer)

    def _hear(self, text: str) -> None:
        event = json.loads(text)
        if event["id"] in self._known:
            self.doubled += 1
            return
        self._known.add(event["id"])
        if fault := _fault(event):
            self.invalid.append(f"{fault}: {text}")
        data = event["data"]
        subject = data.get("refundId") or data.get("disputeId") or event["subject"]
        self.told[event["subject"]].append(Told(event["id"], event["type"], subject))


def _fault(event: Mapping[str, Any]) -> str:
    if event["type"] not in MESSAGE_TYPES:
        return "no such type"
    if event["subject"] != event["data"].get("paymentId", event["data"].get("requestId")):
        return "the subject is another payment"
    found = _validator(event["type"]).iter_errors(event["data"])
    return "; ".join(f"{error.json_path} {error.message}" for error in found)


@cache
def _validator(message_type: str) -> Draft7Validator:
    return Draft7Validator(schema(cast("MessageType", message_type)), format_checker=FormatChecker())
