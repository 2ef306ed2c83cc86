"""Which workers take messages from which queue, in Redis: each worker notes it again and again, and notes go stale.

A queue's length does not tell: three charges that nobody takes look like three that are taken in a moment. It is no
fact that anything is decided by: where Redis forgot it, the next note says it again.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final

import redis

KEY: Final = "payment_worker:consumers:"
"""And a queue's name: a sorted set of workers' names, each with the time of its last note as Redis's own clock has
it, for those of the machines may differ."""

NOTED_EVERY_SECONDS: Final = 5.0

FRESH_SECONDS: Final = 30
"""A worker that missed so many notes in a row is gone, or hangs."""


class Consumers:
    """The workers of each queue, as Redis knows them."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._client = client

    def note(self, worker: str, taken: Collection[str], *, of: Collection[str]) -> None:
        """Note that a worker takes messages from these of all queues and from no other, if Redis is there."""
        with suppress(redis.RedisError):
            now, _ = self._client.time()
            pipeline = self._client.pipeline(transaction=False)
            for queue in of:
                pipeline.zremrangebyscore(f"{KEY}{queue}", "-inf", now - FRESH_SECONDS)
                if queue in taken:
                    pipeline.zadd(f"{KEY}{queue}", {worker: now})
                else:
                    pipeline.zrem(f"{KEY}{queue}", worker)
            pipeline.execute()

    def count(self, queues: Collection[str]) -> Mapping[str, int]:
        """How many workers take messages from each of these queues. Raises `redis.RedisError`."""
        now, _ = self._client.time()
        pipeline = self._client.pipeline(transaction=False)
        for queue in queues:
            pipeline.zcount(f"{KEY}{queue}", f"({now - FRESH_SECONDS}", "+inf")
        return dict(zip(queues, pipeline.execute(), strict=True))
