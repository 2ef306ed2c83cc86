"""Puts messages into every queue that no worker can execute: each must be set aside, and none may end a worker."""

import json
from contextlib import suppress
from itertools import count
from typing import Any, Final

import redis

from payment_worker.devstack.chaos.faults.random_actions import RandomActions
from payment_worker.devstack.waiting import wait_until
from payment_worker.telemetry.metrics import QUEUES

ONE_IN: Final = 8
"""One such message for this many payments."""
_MARK: Final = "poison"
"""In the text of each, so that one that was left anywhere is found."""
_UNACKNOWLEDGED: Final = "unacked"
_TIMEOUT_SECONDS: Final = 2.0
_DEPTH: Final = 200


class Poison(RandomActions):
    """Sends malformed messages in a thread."""

    def __init__(self, redis_url: str, *, seed: int, every_seconds: float) -> None:
        self._redis: Any = redis.Redis.from_url(redis_url, socket_timeout=_TIMEOUT_SECONDS)
        super().__init__("poison", seed=seed, every_seconds=every_seconds)
        self._numbers = count(1)
        self.sent = 0

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._redis.close()

    def all_taken(self, *, seconds: float = 60) -> None:
        """Wait until none of them is in a queue, or held by a worker."""
        wait_until(lambda: not self._left(), seconds=seconds, what="no malformed message is left in Redis")

    def _left(self) -> bool:
        queued = [message for queue in QUEUES for message in self._redis.lrange(queue, 0, -1)]
        return any(_MARK.encode() in each for each in [*queued, *self._redis.hvals(_UNACKNOWLEDGED)])

    def act(self) -> None:
        """Send one message."""
        with suppress(redis.RedisError):
            message = self._message(f"{_MARK}-{next(self._numbers)}")
            self._redis.lpush(self._random.choice(QUEUES), message)
            self.sent += 1

    def _message(self, name: str) -> str:
        headers: dict[str, Any] = {"task": "payment_worker.charge", "id": name, "lang": "py"}
        wrong: list[str] = [
            name,
            json.dumps([name]),
            json.dumps({"body": name}),
            _envelope({**headers, "stamped_headers": [["a"]]}),
            _envelope({**headers, "task": "payment_worker.no_such_task"}),
            _envelope({**headers, "task": None}),
            _envelope({**headers, "eta": "yesterday", "expires": {}}),
            _envelope({**headers, "timelimit": "long", "retries": [1]}),
            _envelope(headers, body=[[], {"payment_id": name, "amount": float("nan")}, {}]),
            _envelope(headers, body=[[], {"payment_id": name, "amount": "1"}, None]),
            _envelope(headers, body="[" * _DEPTH + "]" * _DEPTH),
            _envelope(headers, priority="highest"),
            _envelope({**headers, "id": {name: name}}),
        ]
        return self._random.choice(wrong)


def _envelope(headers: dict[str, Any], *, body: object = None, priority: object = 0) -> str:
    """A message as kombu's Redis transport has it, with these headers."""
    return json.dumps(
        {
            "body": json.dumps([[], {}, {}] if body is None else body),
            "headers": headers,
            "properties": {
                "delivery_tag": str(headers["id"]),
                "delivery_info": {"exchange": "", "routing_key": "charges"},
                "delivery_mode": 2,
                "priority": priority,
            },
            "content-type": "application/json",
            "content-encoding": "utf-8",
        }
    )
