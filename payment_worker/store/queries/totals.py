"""Totals of a period: the money of its payments by currency, and payments and refunds by hour and status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, select

from payment_worker.domain.payment import PaymentStatus
from payment_worker.store import tables

_PAYMENT: Final = tables.payment.c
_REFUND: Final = tables.refund.c


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


@dataclass(frozen=True, slots=True)
class Hour:
    """What happened in one hour, by status."""

    at: datetime
    status: str
    count: int


def payments_by_hour(connection: Connection, *, since: datetime) -> Sequence[Hour]:
    """Payments that were requested since then, by hour and status."""
    return _by_hour(connection, _PAYMENT.created_at, _PAYMENT.status, since)


def refunds_by_hour(connection: Connection, *, since: datetime) -> Sequence[Hour]:
    """The same of refunds."""
    return _by_hour(connection, _REFUND.created_at, _REFUND.status, since)


def _by_hour(
    connection: Connection, at: ColumnElement[datetime], status: ColumnElement[str], since: datetime
) -> Sequence[Hour]:
    hour = func.date_trunc("hour", at, "UTC")
    query = select(hour, status, func.count()).where(at >= since).group_by(hour, status)
    return [Hour(*row) for row in connection.execute(query)]


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
    line = tables.balance_transaction.c
    accounts = select(tables.balance_import.c.stripe_account)
    kind = func.coalesce(line.reporting_category, line.type)
    query = (
        select(
            line.currency,
            kind.label("kind"),
            func.count().label("count"),
            _sum(line.amount).label("amount"),
            _sum(line.fee).label("fee"),
            _sum(line.net).label("net"),
        )
        # The index begins with the account.
        .where(line.stripe_account.in_(accounts), line.created_at >= since, line.created_at < until)
        .group_by(line.currency, func.rollup(kind))
        .order_by(line.currency, kind)
    )
    return [Booked(**row) for row in connection.execute(query).mappings()]
