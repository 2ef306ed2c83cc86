"""The Lua scripts that count calls and failures in Redis for all workers, one round trip a call.

For each Stripe account there are a breaker, the running probe, one bucket for the account and one for each endpoint.
A bucket is the theoretical arrival time of the next call (GCRA). All times are microseconds of Redis's own clock, so
that the workers' clocks do not matter. Keys expire by themselves.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from payment_worker.domain.attempts.outcome import Delay
from payment_worker.gateway.rate_limit.limits import (
    LONGEST_COOL_DOWN_SECONDS,
    Limits,
    Permit,
    Rate,
    Throttled,
)

PREFIX: Final = "payment_worker:rate_limit"

MICROSECONDS: Final = 1_000_000

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


class RedisLimiter:
    """What Redis lets through. Every method raises `redis.RedisError` where Redis cannot say."""

    def __init__(self, client: Any, limits: Limits) -> None:  # noqa: ANN401 - redis-py's types say async or not
        self._client = client
        self._limits = limits
        self._rates = limits.rates()
        self._acquire = client.register_script(ACQUIRE)
        self._failed = client.register_script(FAILED)

    def acquire(self, endpoint: str, *, account: str, longest_wait: float) -> Permit | Throttled:
        """See `RateLimiter.acquire`."""
        keys = list(_breaker(account))
        arguments = [_microseconds(longest_wait), int(self._limits.probe_seconds * 1000)]
        for name, rate in zip(("all", endpoint), self._rates, strict=True):
            if rate is not None:
                keys.append(_key(account, f"bucket:{name}"))
                arguments += _bucket(rate)
        verdict, wait, failures = self._acquire(keys, arguments)
        wait_seconds = wait / MICROSECONDS
        match verdict:
            case b"down":
                return Throttled(Delay.STRIPE_DOWN, wait_seconds)
            case b"limited":
                return Throttled(Delay.THROTTLED, wait_seconds)
            case _:
                return Permit(account, wait_seconds, failures, verdict == b"probe")

    def is_down(self, account: str) -> bool:
        """See `RateLimiter.is_down`."""
        return bool(self._client.hexists(_breaker(account)[0], "open_until"))

    def failed(self, permit: Permit) -> float:
        """Count a failed call. Returns for how many seconds it opens the breaker, 0 if it does not."""
        limits = self._limits
        arguments = [
            int(permit.is_probe),
            limits.failures,
            _microseconds(limits.cool_down_seconds),
            _microseconds(LONGEST_COOL_DOWN_SECONDS),
        ]
        return cast("int", self._failed(_breaker(permit.account), arguments)) / MICROSECONDS

    def answered(self, permit: Permit) -> None:
        """Stripe responded: reset the failures."""
        self._client.delete(*_breaker(permit.account))


def down(client: Any, accounts: Sequence[str]) -> Sequence[str]:  # noqa: ANN401 - as above
    """Those of these accounts whose breaker is open, in one round trip. Raises `redis.RedisError`."""
    pipeline = client.pipeline(transaction=False)
    for account in accounts:
        pipeline.hexists(_breaker(account)[0], "open_until")
    return [account for account, is_open in zip(accounts, pipeline.execute(), strict=True) if is_open]


def _breaker(account: str) -> tuple[str, str]:
    return _key(account, "breaker"), _key(account, "probe")


def _key(account: str, part: str) -> str:
    # The braces keep an account's keys together where Redis is a cluster: one script may touch all of them.
    return f"{PREFIX}:{{{account}}}:{part}"


def _bucket(rate: Rate) -> list[int]:
    return [_microseconds(rate.interval_seconds), _microseconds(rate.tolerance_seconds)]


def _microseconds(seconds: float) -> int:
    return int(max(seconds, 0.0) * MICROSECONDS)
