"""The console's start page: health, the amounts of a day, the last 24 hours, and open work."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console import charts
from payment_worker.console.charts import Chart
from payment_worker.console.context import Console
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus
from payment_worker.flows.pauses import KINDS
from payment_worker.monitoring import gauges
from payment_worker.monitoring.gauges import Gauge, Reading
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection, DatabaseUnavailableError
from payment_worker.store.pauses import Pause
from payment_worker.store.queries import totals
from payment_worker.store.queries.totals import Hour, Taken

DAY: Final = timedelta(days=1)
FIRST_DAY: Final = date(2000, 1, 1)
"""Long before Stripe; the year 1 has no day before its first."""
CHARGED: Final = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.AUTHORIZED})


@dataclass(frozen=True, slots=True)
class Backlog:
    """One kind of work that waits."""

    name: str
    count: int
    oldest: timedelta | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What the rows tell beside the checks."""

    taken: Sequence[Taken]
    charts: Sequence[Chart]
    pauses: Sequence[Pause]


def overview(console: Console, request: Request) -> Response:
    """`/`."""
    checks = console.checks()
    now = console.clock()
    day = day_of(request, today=now.date())
    try:
        with console.reading() as connection:
            figures = _figures(connection, day, now)
    except DatabaseUnavailableError:
        figures = None  # the checks say why
    return console.pages.page(
        request,
        "overview.html",
        checks=sorted(checks, key=lambda check: ("problem", "note", "fine").index(check.verdict)),
        is_well=all(check.verdict != "problem" for check in checks),
        figures=figures,
        backlog=_backlog(console.readings()),
        day=day,
        days=(day - DAY, day + DAY if day < now.date() else None),
        kinds=KINDS,
    )


def day_of(request: Request, *, today: date) -> date:
    """The day that a page is asked for; today, where it is none or yet to come."""
    text = request.query_params.get("day")
    try:
        return max(min(date.fromisoformat(text), today), FIRST_DAY) if text else today
    except ValueError:
        return today


def _figures(connection: Connection, day: date, now: datetime) -> _Figures:
    since = charts.first_hour(now)
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return _Figures(
        taken=totals.taken(connection, since=midnight, until=midnight + DAY),
        charts=_charts(connection, since),
        pauses=pauses.standing(connection),
    )


def _charts(connection: Connection, since: datetime) -> Sequence[Chart]:
    payments = totals.payments_by_hour(connection, since=since)
    refunds = totals.refunds_by_hour(connection, since=since)
    return [
        charts.by_hour("Charges", "good", _counts(payments, CHARGED), since=since),
        charts.by_hour("Declines", "bad", _counts(payments, {PaymentStatus.FAILED}), since=since),
        charts.by_hour("Refunds", "plain", _counts(refunds, {RefundStatus.PROCESSED}), since=since),
    ]


def _counts(
    hours: Sequence[Hour], statuses: frozenset[PaymentStatus] | set[PaymentStatus] | set[RefundStatus]
) -> Mapping[datetime, int]:
    counts: Counter[datetime] = Counter()
    for hour in hours:
        if hour.status in statuses:
            counts[hour.at] += hour.count
    return counts


def _backlog(readings: Sequence[Reading]) -> Sequence[Backlog]:
    """Queues, inbox, outbox, due rows and the breaker, as far as the servers answer."""
    values = {(each.what, each.labels): each.value for each in readings}

    def count(gauge: Gauge, *labels: str) -> int:
        return int(values.get((gauge, labels), 0))

    def oldest(gauge: Gauge, *labels: str) -> timedelta | None:
        return timedelta(seconds=values[gauge, labels]) if values.get((gauge, labels)) else None

    lines: list[Backlog] = []
    if count(gauges.REDIS_UP):
        lines += [
            Backlog(f"Queue {queue}", int(value), note=f"workers: {count(gauges.CONSUMERS, queue)}")
            for (what, labels), value in values.items()
            if what is gauges.QUEUE
            for queue in labels
        ]
        held = oldest(gauges.UNACKNOWLEDGED_SECONDS)
        lines.append(Backlog("Held by workers", count(gauges.UNACKNOWLEDGED), held))
        lines.append(Backlog("Circuit breakers open", count(gauges.BREAKERS)))
    if count(gauges.DATABASE_UP):
        unknown = sum(value for (what, _), value in values.items() if what is gauges.UNKNOWN)
        ages = [value for (what, _), value in values.items() if what is gauges.UNKNOWN_SECONDS and value]
        unknown_for = timedelta(seconds=max(ages)) if ages else None
        lines.append(Backlog("Unknown outcomes", int(unknown), unknown_for))
        lines += [
            Backlog(f"Due: {kind.replace('_', ' ')}", int(value), oldest(gauges.DUE_SECONDS, kind))
            for (what, labels), value in values.items()
            if what is gauges.DUE
            for kind in labels
        ]
        for status in ("received", "parked"):
            seconds = oldest(gauges.INBOX_SECONDS, status)
            lines.append(Backlog(f"Inbox: {status}", count(gauges.INBOX, status), seconds))
        lines.append(Backlog("Outbox", count(gauges.OUTBOX), oldest(gauges.OUTBOX_SECONDS)))
    return lines
