"""Reads Stripe's time from the `Date` header of its responses."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from payment_worker.telemetry.stopwatch import elapsed_seconds


class StripeClock:
    """What time it is at Stripe: the last `Date`, and what has passed since. No clock of ours is asked for the time."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def hear(self, headers: Mapping[str, str] | None) -> None:
        """Set it by an answer's headers; without a `Date` it goes on as it was."""
        named = {str(name).lower(): value for name, value in dict(headers or {}).items()}
        try:
            date = parsedate_to_datetime(named["date"])
        except (KeyError, TypeError, ValueError):
            return
        if date.tzinfo is not None:
            self._last = date, elapsed_seconds()

    def now(self) -> datetime | None:
        """Stripe's time, to the second or two; None before its first answer."""
        if self._last is None:
            return None
        date, heard_at = self._last
        return date + timedelta(seconds=elapsed_seconds() - heard_at)
