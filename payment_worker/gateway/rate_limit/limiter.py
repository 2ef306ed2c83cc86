"""Respect for Stripe: every call asks here first, whether it may begin, so that an outage is not made worse by us.

All workers together keep the account's limits, and leave Stripe in peace while it does not answer. Redis knows for
all of them. While it is away each process goes on carefully by itself: work neither stops nor floods.
"""

import threading
import time
from typing import Any, Final

import redis

from payment_worker.domain.outcome import Outcome, Unanswered, UnknownReason
from payment_worker.gateway.rate_limit.limits import Limits, Permit, Throttled
from payment_worker.gateway.rate_limit.local_limiter import LocalLimiter
from payment_worker.gateway.rate_limit.redis_limiter import RedisLimiter
from payment_worker.telemetry import logger

log = logger(__name__)

REDIS_TIMEOUT_SECONDS: Final = 1.0
"""What Redis may add to a call before this process decides by itself."""

REDIS_AGAIN_SECONDS: Final = 5.0
"""How long Redis is left alone once it was away."""

PLATFORM: Final = "platform"
"""Our own account, where no connected one is named."""

FAILURES: Final = frozenset({UnknownReason.SILENCE, UnknownReason.BROKEN_ANSWER, UnknownReason.SERVER_ERROR})
"""What says that Stripe is down, if it is all that is heard. A 5xx that is replayed says that it answers."""


class RateLimiter:
    """The limits and the breaker of all workers. Any thread may use it; made after a fork, as its connections are."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - redis-py's types say async or not
        limits: Limits,
        *,
        redis_again_seconds: float = REDIS_AGAIN_SECONDS,
    ) -> None:
        self._again_seconds = redis_again_seconds
        self._shared = RedisLimiter(client, limits)
        self._own = LocalLimiter(limits)
        self._lock = threading.Lock()
        self._redis_again_at: float | None = None

    def acquire(self, endpoint: str, *, account: str | None, longest_wait: float) -> Permit | Throttled:
        """Ask for a call's turn, now or after a wait that is not longer than this, in seconds.

        Whoever gets a `Permit` waits as it says, calls, and tells `note` what came of it.
        """
        name = account or PLATFORM
        if self._redis_may_be_asked():
            try:
                given = self._shared.acquire(endpoint, account=name, longest_wait=longest_wait)
            except redis.RedisError as error:
                self._redis_is_away(error)
            else:
                self._redis_is_there()
                return given
        return self._own.acquire(endpoint, account=name, longest_wait=longest_wait, now=time.monotonic())

    def is_down(self, account: str | None) -> bool:
        """Whether Stripe has been taken for down and has not answered since."""
        name = account or PLATFORM
        if self._redis_may_be_asked():
            try:
                return self._shared.is_down(name)
            except redis.RedisError as error:
                self._redis_is_away(error)
        return self._own.is_down(name)

    def note(self, given: Permit, outcome: Outcome | None) -> None:
        """Tell what came of a call; None for an answer that was none of the ordinary ones, but an answer."""
        if isinstance(outcome, Unanswered) and outcome.unknown_reason in FAILURES:
            self._failed(given, outcome.unknown_reason)
        elif given.failures or given.is_probe:
            self._answered(given)

    def _failed(self, given: Permit, unknown_reason: UnknownReason) -> None:
        opened = self._failed_everywhere(given) if given.is_shared else None
        if opened is None:
            opened = self._own.failed(given, now=time.monotonic())
        if opened:
            log.error(
                "stripe does not answer: calls are held",
                stripe_account=given.account,
                reason=unknown_reason,
                seconds=opened,
            )

    def _failed_everywhere(self, given: Permit) -> float | None:
        try:
            return self._shared.failed(given)
        except redis.RedisError as error:
            self._redis_is_away(error)
            return None

    def _answered(self, given: Permit) -> None:
        try:
            (self._shared if given.is_shared else self._own).answered(given)
        except redis.RedisError as error:
            self._redis_is_away(error)
            return
        if given.is_probe:
            log.warning("stripe answers again: calls go on", stripe_account=given.account)

    def _redis_may_be_asked(self) -> bool:
        if self._redis_again_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._redis_again_at is None or now < self._redis_again_at:
                return self._redis_again_at is None
            # One thread asks; the others go on by themselves meanwhile.
            self._redis_again_at = now + self._again_seconds
            return True

    def _redis_is_away(self, error: redis.RedisError) -> None:
        with self._lock:
            was_there = self._redis_again_at is None
            self._redis_again_at = time.monotonic() + self._again_seconds
        if was_there:
            log.warning("redis is away: this process limits itself", error=type(error).__name__)

    def _redis_is_there(self) -> None:
        if self._redis_again_at is None:
            return
        with self._lock:
            self._redis_again_at = None
        self._own.forget()
        log.warning("redis is back: all workers share one limit again")
