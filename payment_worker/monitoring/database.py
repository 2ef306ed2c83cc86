"""Reads the gauges that come from PostgreSQL, in one transaction."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from payment_worker.domain.attempts.attempt import UNFINISHED, Action, AttemptStatus
from payment_worker.domain.attempts.outcome import UnknownReason
from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.flows.pauses import KINDS
from payment_worker.monitoring import gauges, ledger
from payment_worker.monitoring.gauges import Reading, age
from payment_worker.store import pauses
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import backlog
from payment_worker.store.queries.backlog import OpenAttempts
from payment_worker.telemetry.metrics import account_label

STATEMENT_SECONDS: Final = 5
"""Prometheus waits for 10 s by default."""

HOUR: Final = timedelta(hours=1)


def read(connection: Connection, *, now: datetime) -> Iterator[Reading]:
    """All gauges of rows. Kinds without rows are reported as 0."""
    backlog.limit_statement_time(connection, seconds=STATEMENT_SECONDS)
    yield from _attempts(backlog.attempts(connection), now)
    refused_counts: Counter[str] = Counter(dict.fromkeys(map(str, Action), 0))
    for each in backlog.refused_of_us(connection):
        refused_counts[each.action] += each.rows.count
    yield from (Reading(gauges.REFUSED, count, (action,)) for action, count in refused_counts.items())
    yield from _due(connection, now)
    for late in backlog.beyond_deadline(connection, now=now):
        yield Reading(gauges.BREACHES, late.rows.count, (late.table, late.status.lower()))
    yield from _boxes(connection, now)
    yield from _findings(connection, now)
    yield Reading(gauges.REJECTED, backlog.rejected(connection, since=now - HOUR).count)
    paused = {pause.kind: pause.paused_at for pause in pauses.standing(connection)}
    for kind in KINDS:
        yield Reading(gauges.PAUSED_SECONDS, age(paused.get(kind), now), (kind,))
    if reconciled_at := backlog.reconciled_at(connection):
        yield Reading(gauges.RECONCILED_SECONDS, age(reconciled_at, now))
    yield from ledger.read(connection, now=now)
    polled_at: dict[str, datetime] = {}
    for stripe_account, at in backlog.accounts_polled(connection):
        label = account_label(stripe_account)
        polled_at[label] = min(at, polled_at.get(label, at))
    yield from (Reading(gauges.POLLED_SECONDS, age(at, now), (label,)) for label, at in polled_at.items())


def _attempts(open_attempts: Sequence[OpenAttempts], now: datetime) -> Iterator[Reading]:
    counts: Counter[tuple[str, str]] = Counter()
    unknown_counts: Counter[str] = Counter()
    ages: dict[str, float] = {}
    for each in open_attempts:
        counts[each.action, each.status] += each.rows.count
        if each.status == AttemptStatus.UNKNOWN:
            unknown_counts[str(each.unknown_reason)] += each.rows.count
            ages[each.action] = max(ages.get(each.action, 0), age(each.rows.oldest_at, now))
    for action in Action:
        for status in sorted(UNFINISHED):
            yield Reading(gauges.ATTEMPTS, counts[action, status], (action, status.lower()))
        yield Reading(gauges.UNKNOWN_SECONDS, ages.get(action, 0), (action,))
    for unknown_reason in sorted({*UnknownReason, *unknown_counts}):
        yield Reading(gauges.UNKNOWN, unknown_counts[unknown_reason], (unknown_reason,))


def _due(connection: Connection, now: datetime) -> Iterator[Reading]:
    for kind, row_count in backlog.overdue(connection, before=now).items():
        yield Reading(gauges.DUE, row_count.count, (kind,))
        yield Reading(gauges.DUE_SECONDS, age(row_count.oldest_at, now), (kind,))


def _boxes(connection: Connection, now: datetime) -> Iterator[Reading]:
    messages = backlog.messages(connection)
    yield Reading(gauges.OUTBOX, messages.count)
    yield Reading(gauges.OUTBOX_SECONDS, age(messages.oldest_at, now))
    for status, row_count in (
        ("received", backlog.events(connection)),
        ("parked", backlog.parked(connection)),
    ):
        yield Reading(gauges.INBOX, row_count.count, (status,))
        yield Reading(gauges.INBOX_SECONDS, age(row_count.oldest_at, now), (status,))


def _findings(connection: Connection, now: datetime) -> Iterator[Reading]:
    counts_by_kind = dict(backlog.findings_by_kind(connection))
    for kind in sorted({*FindingKind, *counts_by_kind}):
        yield Reading(
            gauges.FINDINGS, counts_by_kind[kind].count if kind in counts_by_kind else 0, (str(kind),)
        )
    yield Reading(
        gauges.FINDINGS_SECONDS,
        max((age(row_count.oldest_at, now) for row_count in counts_by_kind.values()), default=0),
    )
