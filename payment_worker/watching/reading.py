"""One number that was read."""

from dataclasses import dataclass
from datetime import datetime

from payment_worker.watching.told import Told


@dataclass(frozen=True, slots=True)
class Reading:
    """What it is, its value, and the values of its labels in their order."""

    what: Told
    value: float
    labels: tuple[str, ...] = ()


def age(since: datetime | None, now: datetime) -> float:
    """Seconds since then; 0 for None. Clocks that differ a little make no negative age."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0
