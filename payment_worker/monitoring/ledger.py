"""Reads the gauges of the ledger by currency and account: what differs, is not cleared, or waits for money."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from payment_worker.monitoring import gauges
from payment_worker.monitoring.gauges import Reading, age
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import ledger
from payment_worker.store.queries.ledger import AGES, BalanceRow
from payment_worker.telemetry.metrics import account_label

Labels = tuple[str, str]
"""Currency and account."""


def read(connection: Connection, *, now: datetime) -> Iterator[Reading]:
    """All gauges of the ledger's rows. Accounts that are connected to one are added up with it."""
    if imported_at := ledger.imported_until(connection):
        yield Reading(gauges.IMPORTED_SECONDS, age(imported_at, now))
    pending: Counter[Labels] = Counter()
    for currency, stripe_account, amount in ledger.pending_refunds(connection):
        pending[currency, account_label(stripe_account)] += amount
    yield from (Reading(gauges.REFUNDS_PENDING, amount, labels) for labels, amount in pending.items())
    balances: defaultdict[Labels, list[BalanceRow]] = defaultdict(list)
    for row in ledger.balances(connection):
        balances[row.currency, account_label(row.stripe_account)].append(row)
    for labels, rows in balances.items():
        yield from _readings(rows, labels, now)


def _readings(rows: list[BalanceRow], labels: Labels, now: datetime) -> Iterator[Reading]:
    oldest_at, amount = min(
        ((row.oldest_at, row.oldest_amount) for row in rows if row.oldest_at), default=(None, 0)
    )
    # Two differences may not hide each other.
    yield Reading(gauges.BALANCE_DIFFERENCE, sum(abs(row.difference or 0) for row in rows), labels)
    yield Reading(gauges.BALANCE_AVAILABLE, sum(row.available or 0 for row in rows), labels)
    yield Reading(gauges.UNCLEARED, sum(row.uncleared for row in rows), labels)
    yield Reading(gauges.UNEXPLAINED, sum(row.unexplained for row in rows), labels)
    yield Reading(gauges.OLDEST_SECONDS, age(oldest_at, now), labels)
    yield Reading(gauges.OLDEST_AMOUNT, amount, labels)
    for share in AGES:
        explained_share = min(row.explained_shares[share] for row in rows)
        yield Reading(gauges.EXPLAINED, explained_share, (*labels, share))
