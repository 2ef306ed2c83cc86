"""The console's start page: health, the amounts of a day, the last 24 hours, and open work."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console.context import Console
from payment_worker.console.rendering import DAY
from payment_worker.flows.pauses import KINDS
from payment_worker.monitoring import gauges
from payment_worker.monitoring.gauges import Gauge, Reading
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection, DatabaseUnavailableError
from payment_worker.store.queries import totals

FIRST_DAY: Final = date(2000, 1, 1)
"""Long before Stripe; the year 1 has no day before its first."""
WAITING: Final[Sequence[tuple[str, Gauge, Gauge | None]]] = (
    ("Queue {}", gauges.QUEUE, None),
    ("Held by workers", gauges.UNACKNOWLEDGED, gauges.UNACKNOWLEDGED_SECONDS),
    ("Circuit breakers open", gauges.BREAKERS, None),
    ("Unknown outcomes", gauges.UNKNOWN, gauges.UNKNOWN_SECONDS),
    ("Due: {}", gauges.DUE, gauges.DUE_SECONDS),
    ("Inbox: {}", gauges.INBOX, gauges.INBOX_SECONDS),
    ("Outbox", gauges.OUTBOX, gauges.OUTBOX_SECONDS),
)
"""What waits, in a line for each label that its name has room for; how much of it, and how long the oldest has."""


def overview(console: Console, request: Request) -> Response:
    """`/`."""
    try:
        with console.reading() as connection:
            figures = _figures(connection, request)
    except DatabaseUnavailableError:
        figures = {}  # the checks say why
    return console.render(
        request,
        "overview.html",
        title="Overview",
        checks=console.checks(),
        backlog=list(_backlog(console.readings())),
        kinds=KINDS,
        **figures,
    )


def day_of(request: Request) -> datetime:
    """Midnight of the day (UTC) that a page is asked for; of today, where it is none or yet to come."""
    day = today = request.state.now.date()
    with suppress(ValueError):
        day = date.fromisoformat(request.query_params.get("day") or str(today))
    return datetime.combine(max(min(day, today), FIRST_DAY), time(), tzinfo=UTC)


def _figures(connection: Connection, request: Request) -> Mapping[str, Any]:
    day = day_of(request)
    return {
        "day": day,
        "taken": totals.taken(connection, since=day, until=day + DAY),
        "hours": totals.last_hours(connection, 24, now=request.state.now),
        "pauses": pauses.standing(connection),
    }


def _backlog(readings: Sequence[Reading]) -> Iterator[tuple[str, str, int, timedelta | None]]:
    """Name, note, count and age of all that waits, as far as the servers answer."""
    consumers = (each for each in readings if each.what is gauges.CONSUMERS)
    notes = {f"Queue {each.labels[0]}": f"workers: {each.value:.0f}" for each in consumers}
    for name, gauge, age in WAITING:
        counts: Counter[str] = Counter()
        oldest: Counter[str] = Counter()
        for each in readings:
            if each.what is gauge:
                counts[name.format(*each.labels)] += int(each.value)
            elif each.what is age:
                line = name.format(*each.labels)
                oldest[line] = max(int(each.value), oldest[line])
        for line, count in counts.items():
            waited = timedelta(seconds=oldest[line]) if oldest[line] else None
            yield line.replace("_", " "), notes.get(line, ""), count, waited
