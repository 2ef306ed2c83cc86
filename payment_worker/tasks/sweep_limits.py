"""How many due rows a sweep may claim: as many as the queues have room for, so that none gets longer and longer.

If a queue takes longer than a lease, the sweep finds the same rows again, lease after lease. Enqueueing all of them
each time would make the queue grow faster than the workers shorten it. Workers that are faster than the limit begin the
next sweep themselves, once they have executed half of what the last one enqueued.
"""

from collections.abc import Mapping
from typing import Final

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from payment_worker.celery import app
from payment_worker.flows.maintenance.sweep import SweepLimits

RESUMED_PER_SECOND: Final = 200
"""About what a small worker gets through."""

TRICKLE: Final = 20
"""Rows that each sweep enqueues even so: a queue that is always long blocks nothing for ever."""


def sweep_limits(*, sweep_seconds: float) -> SweepLimits | None:
    """How much due work may be enqueued until the next sweep, in so many seconds; None: Redis is unreachable."""
    queued = _queue_lengths()
    return None if queued is None else limits_beside(queued, sweep_seconds=sweep_seconds)


def limits_beside(queued: Mapping[str, int], *, sweep_seconds: float) -> SweepLimits:
    """The same, beside so many messages that wait in each queue."""
    total = max(TRICKLE, round(RESUMED_PER_SECOND * sweep_seconds))
    limits = {name: max(TRICKLE, total - count) for name, count in queued.items()}
    return SweepLimits(
        attempts=min(limits["charges"], limits["refunds"]),
        events=limits["events"],
        waiting_refunds=limits["refunds"],
        may_be_followed=max(queued["charges"], queued["refunds"]) <= total / 2,
    )


def _queue_lengths() -> dict[str, int] | None:
    """How many messages wait in each queue; None: Redis is unreachable."""
    try:
        with app.pool.acquire(block=True) as connection:
            client = connection.default_channel.client
            return {queue.name: int(client.llen(queue.name)) for queue in app.conf.task_queues}
    except (OperationalError, RedisError):
        return None
