"""Backoff: how long an attempt or an event waits before its next try."""

from datetime import timedelta

from payment_worker.domain.attempts.outcome import WAITS_FOR_CAPACITY, Delay

FIRST_DELAY = timedelta(seconds=1)


LONGEST_DELAY = timedelta(minutes=15)


LONGEST_CAPACITY_DELAY = timedelta(seconds=24)
"""Half a minute with the jitter: work that only waits for capacity resumes soon after Stripe is back."""


LONGEST_PAUSE = timedelta(hours=1)
"""For paused attempts that were never sent: the end of the pause makes them due, and this catches a lost resume."""


CAPACITY_TRIES_COUNTED = 6
"""The number of runs after which that delay is reached."""


def backoff_delay(tries: int, *, jitter: float, longest: timedelta = LONGEST_DELAY) -> timedelta:
    """How long to wait after this many runs without an outcome: exponential, jittered by `jitter` in [0, 1)."""
    delay = min(FIRST_DELAY * 2 ** min(max(tries - 1, 0), 20), longest)
    return timedelta(seconds=delay.total_seconds() * (0.75 + jitter / 2))


def next_try(tries: int, reason: str, *, jitter: float) -> tuple[int, timedelta]:
    """The number of runs to count after one more without an outcome, and the delay before the next.

    Waiting for capacity is no failure: however often it happens, the count stays within its own longest delay, so
    that a later failure begins with short delays again. A look-up that made progress counts nothing.
    """
    if reason == Delay.SCAN_CONTINUES:
        return tries, backoff_delay(1, jitter=jitter)
    if reason not in WAITS_FOR_CAPACITY:
        return tries + 1, backoff_delay(tries + 1, jitter=jitter)
    counted = max(tries, min(tries + 1, CAPACITY_TRIES_COUNTED))
    return counted, backoff_delay(tries + 1, jitter=jitter, longest=LONGEST_CAPACITY_DELAY)
