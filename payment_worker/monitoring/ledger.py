"""Reads the gauges of the ledger: what differs, what is not cleared, and what waits for money, by currency."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from payment_worker.monitoring import gauges
from payment_worker.monitoring.gauges import Reading, age
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import ledger
from payment_worker.store.queries.ledger import AGES, BalanceRow


def read(connection: Connection, *, now: datetime) -> Iterator[Reading]:
    """All gauges of the ledger's rows. Accounts are summed up: their ids are no labels."""
    if imported_at := ledger.imported_until(connection):
        yield Reading(gauges.IMPORTED_SECONDS, age(imported_at, now))
    for currency, amount in ledger.pending_refunds(connection).items():
        yield Reading(gauges.REFUNDS_PENDING, amount, (currency,))
    by_currency: defaultdict[str, list[BalanceRow]] = defaultdict(list)
    for row in ledger.balances(connection):
        by_currency[row.currency].append(row)
    for currency, rows in by_currency.items():
        yield from _readings(rows, (currency,), now)


def _readings(rows: list[BalanceRow], labels: tuple[str], now: datetime) -> Iterator[Reading]:
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
        explained = min(row.explained_shares[share] for row in rows)
        yield Reading(gauges.EXPLAINED, explained, (*labels, share))
