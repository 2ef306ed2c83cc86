"""Acquires a permit of the rate limiter and the circuit breaker before each call to Stripe.

While Redis is unreachable a process calls without either: no new task reaches it then, the running ones make few
calls, and Stripe's own 429 still applies.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import redis

from payment_worker.domain.accounts import PLATFORM
from payment_worker.domain.attempts.outcome import Outcome, Unanswered
from payment_worker.gateway.rate_limit.circuit_breaker import FAILURES, CircuitBreaker
from payment_worker.gateway.rate_limit.limits import Limits, Permit, Throttled
from payment_worker.gateway.rate_limit.redis_limiter import RedisLimiter
from payment_worker.telemetry import logger

log = logger(__name__)

T = TypeVar("T")

REDIS_TIMEOUT_SECONDS: Final = 1.0
"""How long Redis may delay a call before the call is made without it."""

REDIS_AGAIN_SECONDS: Final = 5.0
"""How long Redis is not tried again after it was unreachable."""


class RateLimiter:
    """Rate limit and breaker of all workers. Thread-safe; created after a fork, as its connections are."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - redis-py's types say async or not
        limits: Limits,
        *,
        redis_again_seconds: float = REDIS_AGAIN_SECONDS,
    ) -> None:
        self._again_seconds = redis_again_seconds
        self._redis = RedisLimiter(client, limits)
        self._breaker = CircuitBreaker(client, limits)
        self._lock = threading.Lock()
        self._redis_again_at: float | None = None

    def acquire(self, endpoint: str, *, account: str, longest_wait: float) -> Permit | Throttled:
        """A permit for one call, now or after a wait of at most `longest_wait` seconds.

        The caller of a `Permit` waits as it says, calls, and reports the outcome to `report`.
        """
        name = account or PLATFORM
        without_redis: Permit | Throttled = Permit(name, wait_seconds=0, failures=0, is_probe=False)
        return self._ask_redis(
            lambda: self._redis.acquire(endpoint, account=name, longest_wait=longest_wait), without_redis
        )

    def breaker_is_open(self, account: str) -> bool:
        """Whether the account's breaker is open."""
        return self._ask_redis(lambda: self._breaker.is_open(account or PLATFORM), without_redis=False)

    def report(self, permit: Permit, outcome: Outcome | None) -> None:
        """Report the outcome of a call; None for a response that is neither a failure nor a rate limit."""
        if isinstance(outcome, Unanswered) and outcome.unknown_reason in FAILURES:
            open_seconds = self._ask_redis(lambda: self._breaker.failed(permit), without_redis=0.0)
            if open_seconds:
                log.error(
                    "circuit breaker opened",
                    stripe_account=permit.account,
                    reason=outcome.unknown_reason,
                    seconds=open_seconds,
                )
        elif permit.failures or permit.is_probe:
            self._ask_redis(lambda: self._breaker.answered(permit), without_redis=None)
            if permit.is_probe:
                log.warning("circuit breaker closed", stripe_account=permit.account)

    def _ask_redis(self, call: Callable[[], T], without_redis: T) -> T:
        if not self._redis_may_be_asked():
            return without_redis
        try:
            result = call()
        except redis.RedisError as error:
            self._redis_is_unreachable(error)
            return without_redis
        self._redis_is_reachable()
        return result

    def _redis_may_be_asked(self) -> bool:
        if self._redis_again_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._redis_again_at is None or now < self._redis_again_at:
                return self._redis_again_at is None
            # One thread tries Redis; the others meanwhile continue without it.
            self._redis_again_at = now + self._again_seconds
            return True

    def _redis_is_unreachable(self, error: redis.RedisError) -> None:
        with self._lock:
            was_reachable = self._redis_again_at is None
            self._redis_again_at = time.monotonic() + self._again_seconds
        if was_reachable:
            log.warning("redis unreachable: calls are not rate-limited", error=type(error).__name__)

    def _redis_is_reachable(self) -> None:
        if self._redis_again_at is None:
            return
        with self._lock:
            self._redis_again_at = None
        log.warning("redis reachable: calls are rate-limited")
