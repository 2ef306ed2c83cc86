"""Calls to Stripe as one process alone can hold them back, while Redis is away.

The same rules as in `shared_traffic`, for one process and in its memory: token buckets as the time at which the next
call is due (GCRA), and a breaker that opens after failures in a row and lets one probe through at a time.
"""

import threading
from dataclasses import dataclass

from payment_worker.domain.outcome import Delay
from payment_worker.gateway.rate_limit.limits import (
    LONGEST_COOL_DOWN_SECONDS,
    SHARE_WITHOUT_REDIS,
    Limits,
    Permit,
    Rate,
    Throttled,
)


def due(arrival: float, rate: Rate, *, now: float) -> tuple[float, float]:
    """When a call may begin, and the theoretical arrival of the one after it.

    Args:
        arrival: the theoretical arrival of this call, as the one before it left it; 0 for the first.
        rate: how many a second.
        now: any clock in seconds that only goes forward.
    """
    arrival = max(arrival, now)
    return max(now, arrival - rate.tolerance_seconds), arrival + rate.interval_seconds


@dataclass(slots=True)
class Breaker:
    """The breaker of one account. Instants are those of any clock in seconds that only goes forward."""

    failures: int = 0
    open_until: float | None = None
    cool_down_seconds: float = 0
    probe_until: float = 0

    def held(self, now: float) -> float:
        """Seconds for which no call may begin; 0 where one may."""
        if self.open_until is None:
            return 0
        return max(0.0, self.open_until - now, self.probe_until - now)

    def begin(self, now: float, *, probe_seconds: float) -> bool:
        """A call begins; whether it is a probe, and all others wait for it."""
        if self.open_until is None:
            return False
        self.probe_until = now + probe_seconds
        return True

    def failed(self, now: float, limits: Limits, *, is_probe: bool) -> float:
        """A call came to nothing; for how many seconds that opens the breaker, 0 if it does not."""
        self.failures += 1
        if is_probe and self.open_until is not None:
            self.cool_down_seconds = min(self.cool_down_seconds * 2, LONGEST_COOL_DOWN_SECONDS)
        elif self.open_until is None and self.failures >= limits.failures:
            self.cool_down_seconds = limits.cool_down_seconds
        else:
            return 0
        self.open_until, self.probe_until = now + self.cool_down_seconds, 0
        return self.cool_down_seconds


class LocalLimiter:
    """What this process lets through by itself: a share of every rate, and a breaker for each account."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rates = limits.rates(share=SHARE_WITHOUT_REDIS)
        self._lock = threading.Lock()
        self._arrivals: dict[str, float] = {}
        self._breakers: dict[str, Breaker] = {}

    def acquire(self, endpoint: str, *, account: str, longest_wait: float, now: float) -> Permit | Throttled:
        """See `Traffic.admit`."""
        with self._lock:
            breaker = self._breakers.setdefault(account, Breaker())
            if held := breaker.held(now):
                return Throttled(Delay.STRIPE_DOWN, held)
            begins, arrivals = now, {}
            for name, rate in zip((account, f"{account} {endpoint}"), self._rates, strict=True):
                if rate is not None:
                    at, arrivals[name] = due(self._arrivals.get(name, 0), rate, now=now)
                    begins = max(begins, at)
            if begins - now > max(longest_wait, 0):
                return Throttled(Delay.THROTTLED, begins - now)
            self._arrivals |= arrivals
            is_probe = breaker.begin(now, probe_seconds=self._limits.probe_seconds)
            return Permit(account, begins - now, breaker.failures, is_probe, is_shared=False)

    def is_down(self, account: str) -> bool:
        """See `Traffic.is_down`."""
        with self._lock:
            breaker = self._breakers.get(account)
            return breaker is not None and breaker.open_until is not None

    def failed(self, given: Permit, *, now: float) -> float:
        """See `SharedTraffic.failed`."""
        with self._lock:
            breaker = self._breakers.setdefault(given.account, Breaker())
            return breaker.failed(now, self._limits, is_probe=given.is_probe)

    def answered(self, given: Permit) -> None:
        """Stripe answered: forget the failures."""
        with self._lock:
            self._breakers.pop(given.account, None)

    def forget(self) -> None:
        """Forget everything: Redis counts again."""
        with self._lock:
            self._arrivals.clear()
            self._breakers.clear()
