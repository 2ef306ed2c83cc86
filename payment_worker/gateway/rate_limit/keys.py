"""The Redis keys of rate limit and circuit breaker, and the unit of their times."""

from typing import Final

PREFIX: Final = "payment_worker:rate_limit"

MICROSECONDS: Final = 1_000_000


def key(account: str, part: str) -> str:
    """A key of an account's."""
    # The braces keep an account's keys together where Redis is a cluster: one script may touch all of them.
    return f"{PREFIX}:{{{account}}}:{part}"


def microseconds(seconds: float) -> int:
    """A duration as the Lua scripts take it."""
    return int(max(seconds, 0.0) * MICROSECONDS)
