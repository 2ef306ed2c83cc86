"""Formats amounts, instants and durations for people."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from payment_worker.domain.money import CURRENCIES, decimal_string


def money(amount: int, currency: str) -> str:
    """An amount of minor units in decimal notation."""
    definition = CURRENCIES.get(currency)
    return decimal_string(amount, definition) if definition else f"{amount} minor units of {currency}"


def instant(at: datetime) -> str:
    """UTC to the millisecond."""
    return at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03}"


def duration(length: timedelta) -> str:
    """Its two greatest units: `3 d 4 h`, `12 min 5 s`, `0.3 s`."""
    seconds = length.total_seconds()
    if seconds < 0:
        return f"-{duration(-length)}"
    if seconds < 10:  # noqa: PLR2004 - where a fraction stops to matter
        return f"{seconds:.1f} s"
    parts: Sequence[tuple[int, str]] = (
        (int(seconds) // 86_400, "d"),
        (int(seconds) // 3_600 % 24, "h"),
        (int(seconds) // 60 % 60, "min"),
        (int(seconds) % 60, "s"),
    )
    first_index = next(n for n, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first_index : first_index + 2] if count)
