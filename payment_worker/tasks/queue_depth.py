"""Reads queue depths, so that a sweep does not add to a queue that is already long.

Where a queue takes longer than a lease, the sweep finds the same rows again, lease after lease. Adding all of them
each time would make the queue longer than the workers make it shorter, and nothing would ever get well again.
"""

from typing import Final

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from payment_worker.celery import app
from payment_worker.flows.maintenance.sweep import SweepLimits

RESUMED_PER_SECOND: Final = 200
"""More than a small worker gets through, so that none is idle until the next sweep."""

TRICKLE: Final = 20
"""What each sweep hands out even so: a queue that is always full holds nothing up for ever."""


def sweep_limits(*, sweep_seconds: float) -> SweepLimits | None:
    """How much of what is due the queues take until the next sweep, in so many seconds; None: Redis is away."""
    enough = max(TRICKLE, round(RESUMED_PER_SECOND * sweep_seconds))
    waiting = _waiting()
    if waiting is None:
        return None
    room = {name: max(TRICKLE, enough - count) for name, count in waiting.items()}
    return SweepLimits(
        attempts=min(room["charges"], room["refunds"]), events=room["events"], waiting_refunds=room["refunds"]
    )


def _waiting() -> dict[str, int] | None:
    """How many messages wait in each queue; None: Redis is away."""
    try:
        with app.pool.acquire(block=True) as connection:
            client = connection.default_channel.client
            return {queue.name: int(client.llen(queue.name)) for queue in app.conf.task_queues}
    except (OperationalError, RedisError):
        return None
