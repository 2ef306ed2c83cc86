"""Reads our rows for reconciliation: those of a page of Stripe's objects, or a page of our own."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from payment_worker.domain.attempts.attempt import UNFINISHED, AttemptStatus
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import Refund, RefundStatus
from payment_worker.store import tables
from payment_worker.store.reconciliation.reconciliation_runs import Run
from payment_worker.store.records import payments, refunds

payment: Final = tables.payment.c
refund: Final = tables.refund.c
attempt: Final = tables.payment_attempt
matches: Final = tables.reconciliation_match.c

SHORTEST_STILL: Final = timedelta(hours=1)
"""By then webhooks and the poll have delivered all updates."""

LONGEST_STILL: Final = timedelta(days=90)
"""Banks take 30 days at most, and a customer who has not come back by then does not: it has been an alert for long."""

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class KnownPayment:
    """A payment, whether an attempt on it is unfinished, and whether its fee is known."""

    payment: Payment
    is_in_work: bool
    has_balance_transaction: bool


@dataclass(frozen=True, slots=True)
class KnownRefund:
    """A refund, and whether an attempt on it is unfinished."""

    refund: Refund
    is_in_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A row of ours that names an object of Stripe's."""

    at: datetime
    identity: UUID
    payment_id: UUID
    stripe_id: str
    stripe_account: str
    is_matched: bool
    """Whether this run has met the object already."""


_IN_WORK: Final = attempt.c.status.in_(UNFINISHED)
"""By the status, so that attempts are found by their payment: the index of all unfinished ones may be long."""

_PAYMENT_IN_WORK: Final[ColumnElement[bool]] = exists().where(
    attempt.c.payment_id == payment.payment_id, attempt.c.refund_id.is_(None), _IN_WORK
)
_REFUND_IN_WORK: Final[ColumnElement[bool]] = exists().where(
    attempt.c.payment_id == refund.payment_id, attempt.c.refund_id == refund.refund_id, _IN_WORK
)


def known_payments(
    connection: Connection, *, payment_intents: Collection[str], payment_ids: Collection[UUID] = ()
) -> Sequence[KnownPayment]:
    """The payments that these PaymentIntents are, or that have these ids."""
    query = select(
        *payments.COLUMNS,
        _PAYMENT_IN_WORK.label("is_in_work"),
        payment.stripe_balance_transaction_id.is_not(None).label("has_balance_transaction"),
    ).where(or_(payment.stripe_payment_intent_id.in_(payment_intents), payment.payment_id.in_(payment_ids)))
    return [
        KnownPayment(payments.payment_of(row), row["is_in_work"], row["has_balance_transaction"])
        for row in connection.execute(query).mappings()
    ]


def owners(connection: Connection, payment_intents: Iterable[str | None]) -> dict[str | None, Payment]:
    """Which payment of ours each of these PaymentIntents is, as far as any is."""
    known = known_payments(connection, payment_intents={each for each in payment_intents if each})
    return {each.payment.stripe_payment_intent_id: each.payment for each in known}


def known_refunds(
    connection: Connection, *, stripe_refund_ids: Collection[str], refund_ids: Collection[UUID] = ()
) -> Sequence[KnownRefund]:
    """The refunds that these Refunds are, or that have these ids."""
    query = select(*refunds.COLUMNS, _REFUND_IN_WORK.label("is_in_work")).where(
        or_(refund.stripe_refund_id.in_(stripe_refund_ids), refund.refund_id.in_(refund_ids))
    )
    return [
        KnownRefund(refunds.refund_of(row), row["is_in_work"]) for row in connection.execute(query).mappings()
    ]


Place = tuple[datetime, UUID]
"""Where a row stands in the order in which rows are read."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Payments or refunds, each with the account of its payment."""

    source: FromClause
    identity: Column[UUID]
    stripe_id: Column[str]
    still: Sequence[str]
    """Statuses that only an update from Stripe ends: if it was lost, nothing else would find out."""


PAYMENTS: Final = Rows(
    tables.payment,
    payment.payment_id,
    payment.stripe_payment_intent_id,
    (PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION, PaymentStatus.AUTHORIZED),
)
REFUNDS: Final = Rows(
    tables.refund.join(tables.payment),
    refund.refund_id,
    refund.stripe_refund_id,
    (RefundStatus.REQUIRES_ACTION, RefundStatus.PENDING),
)


def of_period(
    connection: Connection, rows: Rows, run: Run, *, after: Place | None, limit: int
) -> Sequence[Ours]:
    """Those of a run's period that have an object at Stripe, in the order in which they were requested."""
    at = rows.identity.table.c.created_at
    return _page(connection, rows, run, at, at >= run.since, at < run.until, after=after, limit=limit)


def still(connection: Connection, rows: Rows, run: Run, *, after: Place | None, limit: int) -> Sequence[Ours]:
    """Unchanged ones from before a run's period that are due for a check, the longest unchanged first."""
    row = rows.identity.table.c
    unfinished, is_older = row.status.in_(rows.still), row.created_at < run.since
    is_due = _due(row.updated_at, since=run.since, until=run.until)
    return _page(
        connection, rows, run, row.updated_at, unfinished, is_older, *is_due, after=after, limit=limit
    )


def _due(at: ColumnElement[datetime], *, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    """Rows that last changed at this instant are checked in each run of the first day, and then once a day.

    Once a day means: in the run whose period contains the end of another whole day without a change.
    """
    days = [func.floor(extract("epoch", literal(end) - at) / DAY_SECONDS) for end in (since, until)]
    return (
        at >= until - LONGEST_STILL,
        at < until - SHORTEST_STILL,
        or_(at >= until - timedelta(days=1), days[0] < days[1]),
    )


def _page(
    connection: Connection,
    rows: Rows,
    run: Run,
    at: ColumnElement[datetime],
    *conditions: ColumnElement[bool],
    after: Place | None,
    limit: int,
) -> Sequence[Ours]:
    is_matched = exists().where(matches.run_id == run.run_id, matches.object_id == rows.stripe_id)
    query = (
        select(
            at.label("at"),
            rows.identity.label("identity"),
            rows.identity.table.c.payment_id,
            rows.stripe_id.label("stripe_id"),
            payment.stripe_account,
            is_matched.label("is_matched"),
        )
        .select_from(rows.source)
        .where(rows.stripe_id.is_not(None), *conditions)
    )
    if after is not None:
        query = query.where(tuple_(at, rows.identity) > after)
    page = query.order_by(at, rows.identity).limit(limit)
    return [Ours(**row) for row in connection.execute(page).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An attempt whose outcome is not known."""

    idempotency_key: str
    payment_id: UUID
    refund_id: UUID | None
    status: str
    unknown_reason: str | None
    tries: int
    first_sent_at: datetime


def unknown_since(connection: Connection, *, before: datetime, limit: int) -> Sequence[Unknown]:
    """Unfinished attempts that were first sent before this, oldest first."""
    query = (
        select(*(attempt.c[name] for name in Unknown.__slots__))
        .where(attempt.c.finished_at.is_(None), attempt.c.first_sent_at < before)
        .order_by(attempt.c.first_sent_at)
        .limit(limit)
    )
    return [Unknown(**row) for row in connection.execute(query).mappings()]


def is_unfinished(connection: Connection, idempotency_key: str) -> bool:
    """Whether the attempt under this key has no outcome yet."""
    status = connection.scalar(select(attempt.c.status).where(attempt.c.idempotency_key == idempotency_key))
    return status is not None and AttemptStatus(status) in UNFINISHED
