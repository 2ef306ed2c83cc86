"""The Lua script that lets a call begin, or not: rate limit and circuit breaker of all workers in one round trip.

For each Stripe account there are a breaker, the running probe, one bucket for the account and one for each endpoint.
A bucket is the theoretical arrival time of the next call (GCRA). All times are microseconds of Redis's own clock, so
that the workers' clocks do not matter. Keys expire by themselves.
"""

from typing import Any, Final

from payment_worker.domain.attempts.outcome import Delay
from payment_worker.gateway.rate_limit.circuit_breaker import breaker_keys
from payment_worker.gateway.rate_limit.keys import MICROSECONDS, key, microseconds
from payment_worker.gateway.rate_limit.limits import (
    Limits,
    Permit,
    Rate,
    Throttled,
)

# KEYS: breaker, probe, buckets.
# ARGV: longest wait, milliseconds that a probe may take, interval and tolerance of each bucket.
# An arrival or an end that lies too far ahead comes from a clock that was set back: it holds nothing up.
ACQUIRE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local longest_wait, furthest = tonumber(ARGV[1]), 600000000

local breaker = redis.call('HMGET', KEYS[1], 'failures', 'open_until')
local failures, open_until = tonumber(breaker[1] or 0), tonumber(breaker[2] or 0)
if open_until > 0 then
    local held = open_until - now
    if held <= 0 or held > furthest then held = redis.call('PTTL', KEYS[2]) * 1000 end
    if held > 0 then return {'down', held, failures} end
end

local begins, arrivals = now, {}
for n = 3, #KEYS do
    local interval, tolerance = tonumber(ARGV[2 * n - 3]), tonumber(ARGV[2 * n - 2])
    local arrival = tonumber(redis.call('GET', KEYS[n]) or now)
    if arrival < now or arrival > now + furthest + interval then arrival = now end
    begins = math.max(begins, arrival - tolerance)
    arrivals[n] = arrival + interval
end
if begins - now > longest_wait then return {'limited', begins - now, failures} end

for n = 3, #KEYS do
    local life = math.ceil((arrivals[n] - now) / 1000) + 1
    redis.call('SET', KEYS[n], string.format('%.0f', arrivals[n]), 'PX', string.format('%.0f', life))
end
if open_until > 0 then
    redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
    return {'probe', begins - now, failures}
end
return {'pass', begins - now, failures}
"""


class RedisLimiter:
    """Runs the script. Raises `redis.RedisError` where Redis is unreachable."""

    def __init__(self, client: Any, limits: Limits) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._probe_milliseconds = int(limits.probe_seconds * 1000)
        self._buckets = [_bucket(rate) if rate else None for rate in limits.rates()]
        self._acquire = client.register_script(ACQUIRE)

    def acquire(self, endpoint: str, *, account: str, longest_wait: float) -> Permit | Throttled:
        """See `RateLimiter.acquire`."""
        keys = list(breaker_keys(account))
        arguments = [microseconds(longest_wait), self._probe_milliseconds]
        for name, bucket in zip(("all", endpoint), self._buckets, strict=True):
            if bucket is not None:
                keys.append(key(account, f"bucket:{name}"))
                arguments += bucket
        verdict, wait, failures = self._acquire(keys, arguments)
        wait_seconds = wait / MICROSECONDS
        match verdict:
            case b"down":
                return Throttled(Delay.STRIPE_DOWN, wait_seconds)
            case b"limited":
                return Throttled(Delay.THROTTLED, wait_seconds)
            case _:
                return Permit(account, wait_seconds, failures, verdict == b"probe")


def _bucket(rate: Rate) -> list[int]:
    return [microseconds(rate.interval_seconds), microseconds(rate.tolerance_seconds)]
