"""Totals of a period: payments by currency, Stripe's bookings, payments and refunds by hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, select, text

from payment_worker.domain.payment import PaymentStatus
from payment_worker.store import tables

_PAYMENT: Final = tables.payment.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The payments of a period in one currency, by result. Fee and net are in the settlement currency."""

    currency: str
    payments: int
    succeeded: int
    captured: int
    refunded: int
    settlement_currency: str | None
    fee: int
    net: int


def _sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    # PostgreSQL adds up to a numeric, which would be a Decimal here.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def taken(connection: Connection, *, since: datetime, until: datetime) -> Sequence[Taken]:
    """The amounts of the payments that were requested in this period."""
    kind = (_PAYMENT.currency, _PAYMENT.settlement_currency)
    captured = _PAYMENT.amount_captured
    query = (
        select(
            _PAYMENT.currency,
            func.count().label("payments"),
            func.count().filter(_PAYMENT.status == PaymentStatus.SUCCEEDED).label("succeeded"),
            _sum(captured).label("captured"),
            _sum(_PAYMENT.amount_refunded).label("refunded"),
            _PAYMENT.settlement_currency,
            _sum(_PAYMENT.fee).label("fee"),
            _sum(_PAYMENT.net).label("net"),
        )
        .where(_PAYMENT.created_at >= since, _PAYMENT.created_at < until)
        .group_by(*kind)
        .order_by(*kind)
    )
    return [Taken(**row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The payments and refunds that were requested in one hour, by what they came to."""

    at: datetime
    charges: int
    declines: int
    refunds: int


_LAST_HOURS: Final = text("""
WITH hour AS (
    SELECT generate_series(CAST(:since AS timestamptz), CAST(:now AS timestamptz), interval '1 h') AS at
), charged AS (
    SELECT date_trunc('hour', created_at, 'UTC') AS at,
        count(*) FILTER (WHERE status IN ('SUCCEEDED', 'AUTHORIZED')) AS charges,
        count(*) FILTER (WHERE status = 'FAILED') AS declines
    FROM payment WHERE created_at >= :since GROUP BY 1
), refunded AS (
    SELECT date_trunc('hour', created_at, 'UTC') AS at, count(*) AS refunds
    FROM refund WHERE created_at >= :since AND status = 'PROCESSED' GROUP BY 1
)
SELECT at, coalesce(charges, 0) AS charges, coalesce(declines, 0) AS declines, coalesce(refunds, 0) AS refunds
FROM hour LEFT JOIN charged USING (at) LEFT JOIN refunded USING (at) ORDER BY at
""")


def last_hours(connection: Connection, hours: int, *, now: datetime) -> Sequence[Hour]:
    """The last hours of the clock, the present one among them, oldest first."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    rows = connection.execute(_LAST_HOURS, {"since": since, "now": now})
    return [Hour(**row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What Stripe booked in a period: the balance transactions of one kind in one currency."""

    currency: str
    kind: str | None
    """None: of every kind."""
    count: int
    amount: int
    fee: int
    net: int


def booked(connection: Connection, *, since: datetime, until: datetime) -> Sequence[Booked]:
    """The balance transactions of every account in this period, by currency and reporting category, and in all."""
    transaction = tables.balance_transaction.c
    accounts = select(tables.balance_import.c.stripe_account)
    kind = func.coalesce(transaction.reporting_category, transaction.type)
    query = (
        select(
            transaction.currency,
            kind.label("kind"),
            func.count().label("count"),
            _sum(transaction.amount).label("amount"),
            _sum(transaction.fee).label("fee"),
            _sum(transaction.net).label("net"),
        )
        # The index begins with the account.
        .where(
            transaction.stripe_account.in_(accounts),
            transaction.created_at >= since,
            transaction.created_at < until,
        )
        .group_by(transaction.currency, func.rollup(kind))
        .order_by(transaction.currency, kind)
    )
    return [Booked(**row) for row in connection.execute(query).mappings()]
