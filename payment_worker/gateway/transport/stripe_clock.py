"""Reads Stripe's time from the `Date` header of its responses."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from payment_worker.telemetry.stopwatch import elapsed_seconds

_parsed: Final = lru_cache(maxsize=1)(parsedate_to_datetime)
"""Responses within the same second have the same date."""


class StripeClock:
    """Stripe's time: the last `Date` plus the time passed since. It uses no clock of ours."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def update(self, headers: Mapping[str, str] | None) -> None:
        """Set it by a response's headers; without a `Date` it continues as before."""
        try:
            date = _parsed((headers or {})["date"])
        except (KeyError, TypeError, ValueError):
            return
        if date.tzinfo is not None:
            self._last = date, elapsed_seconds()

    def now(self) -> datetime | None:
        """Stripe's time, to the second or two; None before its first response."""
        if self._last is None:
            return None
        date, received_at = self._last
        return date + timedelta(seconds=elapsed_seconds() - received_at)
