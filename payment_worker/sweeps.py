"""When each periodic task last succeeded, in Redis: a sign of life of beat and of whoever runs what it enqueues.

It is no fact that anything is decided by: where Redis forgot it, the next sweep says it again.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import redis

KEY: Final = "payment_worker:swept"
"""A hash: the task's name without `payment_worker.`, and Unix time in seconds."""

SWEEPS: Final = ("resume_stalled", "publish_events", "poll_stripe_events", "reconcile", "prune")
"""What beat enqueues."""


class Sweeps:
    """The last success of each sweep, as Redis knows it."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._client = client

    def note(self, sweep: str, *, now: datetime) -> None:
        """Note that a sweep succeeded, if Redis is there."""
        with suppress(redis.RedisError):
            self._client.hset(KEY, sweep, int(now.timestamp()))

    def last(self) -> Mapping[str, datetime]:
        """When each of them last succeeded. Raises `redis.RedisError`."""
        return {
            name.decode(): datetime.fromtimestamp(float(at), tz=UTC)
            for name, at in self._client.hgetall(KEY).items()
            if name.decode() in SWEEPS
        }
