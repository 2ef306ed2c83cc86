"""Heartbeats in Redis: when each periodic task last succeeded, and which workers consume each queue.

No decision depends on them: if Redis loses one, the next run writes it again.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import redis

SWEEPS_KEY: Final = "payment_worker:swept"
"""A hash: the task's name without `payment_worker.`, and Unix time in seconds."""

SWEEPS: Final = (
    "resume_stalled",
    "publish_events",
    "poll_stripe_events",
    "reconcile",
    "import_balance",
    "prune",
)
"""What beat enqueues."""


class Sweeps:
    """The last success of each sweep, as Redis knows it."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._client = client

    def record(self, sweep: str, *, now: datetime) -> None:
        """Record that a sweep succeeded, if Redis is reachable."""
        with suppress(redis.RedisError):
            self._client.hset(SWEEPS_KEY, sweep, int(now.timestamp()))

    def last(self) -> Mapping[str, datetime]:
        """When each of them last succeeded. Raises `redis.RedisError`."""
        return {
            name.decode(): datetime.fromtimestamp(float(at), tz=UTC)
            for name, at in self._client.hgetall(SWEEPS_KEY).items()
            if name.decode() in SWEEPS
        }


CONSUMERS_KEY: Final = "payment_worker:consumers:"
"""And a queue's name: a sorted set of workers' names, each with the time of its last note as Redis's own clock has
it, for those of the machines may differ."""

NOTED_EVERY_SECONDS: Final = 5.0

FRESH_SECONDS: Final = 30
"""A worker that missed so many heartbeats in a row is dead, or hangs."""


class Consumers:
    """The workers of each queue, as Redis knows them."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._client = client

    def record(self, worker: str, consumed: Collection[str], *, queues: Collection[str]) -> None:
        """Record which of all queues a worker consumes, if Redis is reachable."""
        with suppress(redis.RedisError):
            now, _ = self._client.time()
            pipeline = self._client.pipeline(transaction=False)
            for queue in queues:
                pipeline.zremrangebyscore(f"{CONSUMERS_KEY}{queue}", "-inf", now - FRESH_SECONDS)
                if queue in consumed:
                    pipeline.zadd(f"{CONSUMERS_KEY}{queue}", {worker: now})
                else:
                    pipeline.zrem(f"{CONSUMERS_KEY}{queue}", worker)
            pipeline.execute()

    def count(self, queues: Collection[str]) -> Mapping[str, int]:
        """How many workers take messages from each of these queues. Raises `redis.RedisError`."""
        now, _ = self._client.time()
        pipeline = self._client.pipeline(transaction=False)
        for queue in queues:
            pipeline.zcount(f"{CONSUMERS_KEY}{queue}", f"({now - FRESH_SECONDS}", "+inf")
        return dict(zip(queues, pipeline.execute(), strict=True))
