"""The thresholds of rate limit and circuit breaker: calls a second, failures in a row, cool-down, permits."""

from dataclasses import dataclass
from typing import Final

from payment_worker.domain.attempts.outcome import Delay

STRIPE: Final = "https://api.stripe.com"

LIVE_RATE: Final = 100.0
"""What Stripe grants an account in a second with a live key."""

TEST_RATE: Final = 25.0
"""The same with a test key."""

BURST_SECONDS: Final = 0.1
"""Calls of so long a time may begin at once. Stripe counts by the second: a burst of a whole one would go beyond it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second that may begin, on average."""

    per_second: float

    @property
    def interval_seconds(self) -> float:
        """Between two calls."""
        return 1 / self.per_second

    @property
    def tolerance_seconds(self) -> float:
        """How much earlier than at equal intervals a call may begin."""
        return (max(1.0, self.per_second * BURST_SECONDS) - 1) * self.interval_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of calls to Stripe. None: no limit."""

    account: Rate | None
    """All calls for one Stripe account."""
    endpoint: Rate | None
    """Calls to one endpoint for it."""
    failures: int
    """So many in a row, and the breaker opens."""
    cool_down_seconds: float
    """How long it stays open at first."""
    probe_seconds: float
    """How long a probe may take while the breaker waits for its result."""

    def rates(self) -> tuple[Rate | None, Rate | None]:
        """The account's and the endpoint's; an endpoint's that cannot bind is left out."""
        account, endpoint = self.account, self.endpoint
        if endpoint and account and endpoint.per_second >= account.per_second:
            endpoint = None
        return account, endpoint


@dataclass(frozen=True, slots=True)
class Permit:
    """A call may begin, after this wait. Its time is reserved already."""

    account: str
    wait_seconds: float
    failures: int
    """Counted before it, in a row."""
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Throttled:
    """A call may not begin now, and not within this time either."""

    delay: Delay
    wait_seconds: float


def endpoint_of(method: str, path: str) -> str:
    """The endpoint as limits are counted: the two that move money, and all others together."""
    if method != "post":
        return "other"
    return {"/v1/payment_intents": "payment_intents.create", "/v1/refunds": "refunds.create"}.get(
        path, "other"
    )
