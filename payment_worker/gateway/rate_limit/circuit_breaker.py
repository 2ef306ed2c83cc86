"""The circuit breaker of a Stripe account: opens after so many failures in a row, and closes when a probe is answered.

Workers share it through Redis. While it is open no call is sent until the cool-down ends; then one call, the probe, is.
`redis_limiter.py` reads it before each call. How many failures, and for how long: `PAYMENT_WORKER_BREAKER_…`.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from payment_worker.domain.attempts.outcome import UnknownReason
from payment_worker.gateway.rate_limit.keys import MICROSECONDS, key, microseconds
from payment_worker.gateway.rate_limit.limits import Limits, Permit

LONGEST_COOL_DOWN_SECONDS: Final = 300.0
"""How far the breaker's cool-down doubles. Work that waits is this late at the most once Stripe is back."""

FAILURES: Final = frozenset(
    {UnknownReason.NO_ANSWER, UnknownReason.TRUNCATED_ANSWER, UnknownReason.SERVER_ERROR}
)
"""Outcomes that the breaker counts. A replayed 5xx is not one: it shows that Stripe responds."""

# KEYS: breaker, probe. ARGV: 1 for a probe, failures that open, first cool-down, longest cool-down.
# A late failure of a call that began before it opened is counted, and makes nothing longer.
FAILED: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('EXPIRE', KEYS[1], 3600)
local cool_down = tonumber(redis.call('HGET', KEYS[1], 'cool_down') or 0)
if ARGV[1] == '1' and cool_down > 0 then
    cool_down = math.min(2 * cool_down, tonumber(ARGV[4]))
elseif cool_down == 0 and failures >= tonumber(ARGV[2]) then
    cool_down = tonumber(ARGV[3])
else
    return 0
end
redis.call('HSET', KEYS[1], 'cool_down', string.format('%.0f', cool_down),
    'open_until', string.format('%.0f', now + cool_down))
redis.call('DEL', KEYS[2])
return cool_down
"""


class CircuitBreaker:
    """The breakers of all accounts. Every method raises `redis.RedisError` where Redis is unreachable."""

    def __init__(self, client: Any, limits: Limits) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._client = client
        self._limits = limits
        self._failed = client.register_script(FAILED)

    def is_open(self, account: str) -> bool:
        """Whether calls for the account are held, or only a probe is let through."""
        return bool(self._client.hexists(breaker_keys(account)[0], "open_until"))

    def failed(self, permit: Permit) -> float:
        """Count a failed call. Returns for how many seconds it opens the breaker, 0 if it does not."""
        arguments = [
            int(permit.is_probe),
            self._limits.failures,
            microseconds(self._limits.cool_down_seconds),
            microseconds(LONGEST_COOL_DOWN_SECONDS),
        ]
        return cast("int", self._failed(breaker_keys(permit.account), arguments)) / MICROSECONDS

    def answered(self, permit: Permit) -> None:
        """Stripe responded: reset the failures, and close the breaker."""
        self._client.delete(*breaker_keys(permit.account))


def open_breakers(client: Any, accounts: Sequence[str]) -> Sequence[str]:  # noqa: ANN401 - as above
    """Those of these accounts whose breaker is open, in one round trip. Raises `redis.RedisError`."""
    pipeline = client.pipeline(transaction=False)
    for account in accounts:
        pipeline.hexists(breaker_keys(account)[0], "open_until")
    return [account for account, is_open in zip(accounts, pipeline.execute(), strict=True) if is_open]


def breaker_keys(account: str) -> tuple[str, str]:
    """The Redis keys of an account's breaker and of its running probe."""
    return key(account, "breaker"), key(account, "probe")
