"""The rate limit of one account: a token bucket."""

import time


class RateLimit:
    """A token bucket on real time that holds one second's worth."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seen_at = float("-inf")

    def admits(self, per_second: float | None) -> bool:
        """Whether one more request may pass now; None: no limit."""
        if per_second is None:
            return True
        now = time.monotonic()
        self._tokens = min(per_second, self._tokens + (now - self._seen_at) * per_second)
        self._seen_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
