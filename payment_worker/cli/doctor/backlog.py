"""Doctor's checks of rows: overdue work, unknown outcomes, parked events, statuses held too long."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from payment_worker.domain.attempts.outcome import explained
from payment_worker.monitoring.check import Check, fine, problem, warning
from payment_worker.settings import Settings
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import backlog, ledger
from payment_worker.store.queries.backlog import RowCount
from payment_worker.telemetry.formats import duration, money

REJECTED_WITHIN: Final = timedelta(days=1)
NAMED: Final = 5
"""Rows that are named; the others are counted."""

SHOW: Final = "payment-worker show ID"

REMEDIES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("payment", "REQUESTED"): "payment-worker show ID says what its attempt waits for",
        ("payment", "PROCESSING"): "ask the customer's bank, or Stripe's support",
        (
            "payment",
            "REQUIRES_ACTION",
        ): "the customer did not complete the action, and it was not canceled: does Stripe refuse that?",
        ("payment", "AUTHORIZED"): "capture it: most authorisations expire after 7 days",
        ("refund", "REQUESTED"): "payment-worker show ID says what its attempt waits for",
        ("refund", "PENDING"): "ask Stripe's support",
        (
            "refund",
            "REQUIRES_ACTION",
        ): "ask the customer for bank details, which Stripe needs for this refund",
    }
)
"""What to do about a payment or refund that has been in this status beyond its deadline."""


def all_checks(
    connection: Connection, settings: Settings, *, now: datetime, unknown_after: timedelta
) -> Iterator[Check]:
    """All checks of rows."""
    yield _paused(connection, now)
    yield _overdue(connection, settings, now)
    yield _refused_of_us(connection, now)
    yield _unknown(connection, now, unknown_after)
    yield _beyond_deadline(connection, now)
    yield _disputes(connection, now)
    yield _parked(connection, now)
    yield _findings(connection, now)
    yield _rejected(connection, now)
    yield _balance(connection, settings, now)


def _paused(connection: Connection, now: datetime) -> Check:
    pauses_shown = [
        f"{each.kind} for {duration(now - each.paused_at)}, by {each.paused_by}"
        + (f" ({each.reason})" if each.reason else "")
        for each in pauses.standing(connection)
    ]
    if not pauses_shown:
        return fine("pauses", "nothing is paused")
    return warning("pauses", "; ".join(pauses_shown), remedy="payment-worker resume")


def _overdue(connection: Connection, settings: Settings, now: datetime) -> Check:
    # Three missed sweeps in a row are no coincidence.
    grace = timedelta(seconds=max(30.0, 3 * settings.resume_every, 3 * settings.publish_every))
    counts = backlog.overdue(connection, before=now - grace, id_limit=NAMED)
    overdue = [
        _counted(name.replace("_", " "), row_count, now)
        for name, row_count in counts.items()
        if row_count.count
    ]
    if not overdue:
        return fine("overdue", "no work is overdue")
    return problem(
        "overdue",
        "; ".join(overdue),
        remedy="start beat and enough workers: celery -A payment_worker beat | worker",
        ids=_distinct(each for row_count in counts.values() for each in row_count.ids),
        shown_by=SHOW,
    )


def _refused_of_us(connection: Connection, now: datetime) -> Check:
    refusals = backlog.refused_of_us(connection, id_limit=NAMED)
    if not refusals:
        return fine("key permissions", "Stripe denies none of our requests")
    return problem(
        "key permissions",
        "; ".join(_counted(f"{each.action}s, {each.reason}", each.rows, now) for each in refusals),
        remedy="grant STRIPE_API_KEY this permission in Stripe's dashboard, or set another key; workers then resume",
        ids=_distinct(each for refused in refusals for each in refused.rows.ids),
        shown_by=SHOW,
    )


def _unknown(connection: Connection, now: datetime, after: timedelta) -> Check:
    attempts = backlog.unknown(connection, before=now - after)
    if not attempts:
        return fine("unknown", f"no outcome has been unknown for longer than {duration(after)}")
    lines = [
        f"{each.action} of payment {each.payment_id} for {duration(now - each.since)}"
        f" ({explained(each.unknown_reason)})"
        for each in attempts[:NAMED]
    ]
    more = [f"and {len(attempts) - NAMED} more"] if len(attempts) > NAMED else []
    return problem(
        "unknown",
        "; ".join([*lines, *more]),
        remedy="compare payment-worker show ID with Stripe's dashboard; workers keep looking it up",
        ids=_distinct(str(each.payment_id) for each in attempts),
        shown_by=SHOW,
    )


def _beyond_deadline(connection: Connection, now: datetime) -> Check:
    late_rows: list[str] = []
    remedies: list[str] = []
    ids: list[str] = []
    for late in backlog.beyond_deadline(connection, now=now, id_limit=NAMED):
        if late.rows.count:
            ids += late.rows.ids
            late_rows.append(_counted(f"{late.table}s {late.status}", late.rows, now))
            remedies.append(f"{late.table} {late.status}: {REMEDIES[late.table, late.status]}")
    if not late_rows:
        return fine("deadlines", "no payment or refund is beyond its deadline")
    return problem(
        "deadlines", "; ".join(late_rows), remedy="; ".join(remedies), ids=_distinct(ids), shown_by=SHOW
    )


def _disputes(connection: Connection, now: datetime) -> Check:
    row_count = backlog.disputes(connection, id_limit=NAMED)
    if not row_count.count:
        return fine("disputes", "none needs a response")
    first_due = (
        f", the first in {duration(max(row_count.oldest_at - now, timedelta()))}"
        if row_count.oldest_at
        else ""
    )
    return warning(
        "disputes",
        f"need a response: {row_count.count}{first_due}",
        remedy="answer in Stripe's dashboard",
        ids=row_count.ids,
        shown_by=SHOW,
    )


def _parked(connection: Connection, now: datetime) -> Check:
    row_count = backlog.parked(connection, id_limit=NAMED)
    if not row_count.count:
        return fine("parked events", "none")
    return problem(
        "parked events",
        _counted("events", row_count, now),
        remedy="payment-worker events list --status parked says why; then: events replay --parked",
        ids=row_count.ids,
        shown_by=SHOW,
    )


def _findings(connection: Connection, now: datetime) -> Check:
    row_count = backlog.findings(connection, id_limit=NAMED)
    if not row_count.count:
        return fine("findings", "none is open")
    return problem(
        "findings",
        _counted("open", row_count, now),
        remedy="payment-worker report lists them; the runbook says what to do about each kind",
        ids=row_count.ids,
        shown_by="payment-worker report",
    )


def _rejected(connection: Connection, now: datetime) -> Check:
    row_count = backlog.rejected(connection, since=now - REJECTED_WITHIN, id_limit=NAMED)
    if not row_count.count:
        return fine("rejected requests", f"none within {duration(REJECTED_WITHIN)}")
    return warning(
        "rejected requests",
        f"within {duration(REJECTED_WITHIN)}: {row_count.count}",
        remedy="read their errors, fix the app that sent them, and replay those that are valid by now",
        ids=row_count.ids,
        shown_by="payment-worker requests rejected show ID",
    )


def _balance(connection: Connection, settings: Settings, now: datetime) -> Check:
    differing = [row for row in ledger.balances(connection) if row.difference]
    if differing:
        return problem(
            "balance",
            "; ".join(
                f"{row.stripe_account or 'platform'}: Stripe has {money(row.difference or 0, row.currency)} more than"
                " the ledger"
                for row in differing
            ),
            remedy="payment-worker balance reads everything once more and names the objects",
        )
    imported_at = ledger.imported_until(connection)
    if imported_at is None:
        return fine("balance", "nothing is imported yet")
    age = duration(now - imported_at)
    # Three missed imports in a row are no coincidence.
    if now - imported_at > timedelta(seconds=max(1800.0, 3 * settings.import_every)):
        return problem("balance", f"last imported {age} ago", remedy="payment-worker ledger import")
    return fine("balance", f"explained {age} ago")


def _distinct(ids: Iterable[str]) -> Sequence[str]:
    return tuple(dict.fromkeys(ids))[:NAMED]


def _counted(name: str, row_count: RowCount, now: datetime) -> str:
    oldest = f", the oldest from {duration(now - row_count.oldest_at)} ago" if row_count.oldest_at else ""
    return f"{name}: {row_count.count}{oldest}"
