"""Computes the geometry of bar charts in SVG, without scripts or inline styles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

HOURS: Final = 24
WIDTH: Final = 240
HEIGHT: Final = 60
_STEP: Final = WIDTH // HOURS
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the units of the SVG."""

    x: int
    y: float
    width: int
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A count by hour over the last day."""

    name: str
    kind: str
    total: int
    most: int
    bars: Sequence[Bar]


def first_hour(now: datetime) -> datetime:
    """Where the last 24 hours of the clock begin, the present one among them."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def by_hour(name: str, kind: str, counts: Mapping[datetime, int], *, since: datetime) -> Chart:
    """A chart of these counts, with a bar for each hour, also for those in which nothing happened."""
    hours = [since + timedelta(hours=n) for n in range(HOURS)]
    most = max((counts.get(hour, 0) for hour in hours), default=0)
    bars = [_bar(n, hour, counts.get(hour, 0), most) for n, hour in enumerate(hours)]
    return Chart(name, kind, sum(counts.get(hour, 0) for hour in hours), most, bars)


def _bar(place: int, hour: datetime, count: int, most: int) -> Bar:
    # One of a thousand is still seen.
    height = max(1.5, HEIGHT * count / most) if count else 0
    return Bar(
        place * _STEP, round(HEIGHT - height, 1), _STEP - _GAP, round(height, 1), f"{hour:%H}:00 {count}"
    )


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a payment's money, as a bar."""

    name: str
    kind: str
    amount: int
    currency: str
    width: float
    """Of 100."""


def shares(parts: Sequence[tuple[str, str, int, str]]) -> Sequence[Share]:
    """Bars for name, kind, amount and currency of each part that is not nothing; as long as they are of the greatest.

    A part in another currency than the first is measured by the greatest of its own.
    """
    known = [part for part in parts if part[2]]
    most = {currency: max(abs(each[2]) for each in known if each[3] == currency) for *_, currency in known}
    return [
        Share(name, kind, amount, currency, round(100 * abs(amount) / most[currency], 1))
        for name, kind, amount, currency in known
    ]
