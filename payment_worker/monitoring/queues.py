"""Reads the gauges that come from Redis: queue depths, unacknowledged messages, consumers, last sweeps."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from payment_worker.domain.accounts import PLATFORM
from payment_worker.gateway.rate_limit.circuit_breaker import open_breakers
from payment_worker.monitoring import gauges
from payment_worker.monitoring.gauges import Reading, age
from payment_worker.redis.heartbeats import Consumers, Sweeps

PRIORITIES: Final = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""What kombu's Redis transport adds to a queue's key for messages whose sender gave them a priority (5.7.0)."""

UNACKNOWLEDGED: Final = "unacked"
UNACKNOWLEDGED_SINCE: Final = "unacked_index"
"""kombu's: what workers hold, and since when."""

NO_QUEUE: Final = "celery"
"""Celery's own default: where a message goes whose sender named no queue. Other apps may have their tasks there."""

OLDEST: Final = 100
"""Misdirected messages that are examined."""

MOST_ACCOUNTS: Final = 1_000
"""Connected accounts whose breakers are read; more would make a scrape too expensive."""


def misdirected(client: Any) -> int:  # noqa: ANN401 - redis-py's types say async or not
    """How many of the oldest messages that name no queue are for tasks of ours. Raises `redis.RedisError`."""
    return sum(b'"payment_worker.' in _bytes(each) for each in client.lrange(NO_QUEUE, -OLDEST, -1))


def _bytes(item: bytes | str) -> bytes:
    return item if isinstance(item, bytes) else item.encode(errors="replace")


def read(
    client: Any,  # noqa: ANN401 - redis-py's types say async or not
    *,
    queues: Sequence[str],
    stream: str,
    accounts: Sequence[str],
    now: datetime,
) -> Iterator[Reading]:
    """All gauges of Redis. Raises `redis.RedisError`."""
    pipeline = client.pipeline(transaction=False)
    for queue in queues:
        for priority in PRIORITIES:
            pipeline.llen(f"{queue}{priority}")
    pipeline.hlen(UNACKNOWLEDGED)
    pipeline.zrange(UNACKNOWLEDGED_SINCE, 0, 0, withscores=True)
    pipeline.xlen(stream)
    *lengths, unacknowledged, oldest, stream_length = pipeline.execute()
    for number, queue in enumerate(queues):
        begin = number * len(PRIORITIES)
        yield Reading(gauges.QUEUE, sum(lengths[begin : begin + len(PRIORITIES)]), (queue,))
    since = datetime.fromtimestamp(oldest[0][1], tz=UTC) if oldest else None
    yield Reading(gauges.UNACKNOWLEDGED, unacknowledged)
    yield Reading(gauges.UNACKNOWLEDGED_SECONDS, age(since, now))
    yield Reading(gauges.STREAM, stream_length)
    yield Reading(gauges.MISDIRECTED, misdirected(client))
    for queue, workers in Consumers(client).count(queues).items():
        yield Reading(gauges.CONSUMERS, workers, (queue,))
    watched_accounts = [PLATFORM, *(account for account in accounts if account)][:MOST_ACCOUNTS]
    yield Reading(gauges.BREAKERS, len(open_breakers(client, watched_accounts)))
    for sweep, at in Sweeps(client).last().items():
        yield Reading(gauges.SWEPT_SECONDS, age(at, now), (sweep,))
