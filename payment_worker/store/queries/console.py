"""Searches payments by any id or filter for the console and `payment-worker list`, and lists unknown outcomes.

A filter may match few of many rows. A page therefore looks at a limited number of payments, newest first, and says how
far it came: it takes the same time at a thousand rows and at ten million, and needs no index for each filter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, select, text, true, tuple_

from payment_worker.domain.attempts.attempt import AttemptStatus
from payment_worker.store import tables

_PAYMENT: Final = tables.payment.c
_REFUND: Final = tables.refund.c
_ATTEMPT: Final = tables.payment_attempt.c
_DISPUTE: Final = tables.dispute.c

LOOKED_AT: Final = 10_000
"""Rows that one page of a filtered list examines: about 15 ms if they are in memory."""

STATEMENT_SECONDS: Final = 5
"""A page waits no longer: its reader has left by then, or pressed the key again."""

LISTED: Final = (
    "payment_id",
    "order_id",
    "customer_id",
    "amount",
    "currency",
    "status",
    "amount_refunded",
    "is_disputed",
    "failure_reason",
    "decline_code",
    "created_at",
)
_COLUMNS: Final = [_PAYMENT[name] for name in LISTED]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of payments, newest first."""

    created_at: datetime
    payment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which payments are wanted. Amounts in minor units."""

    identity: str | None = None
    """A payment's, a refund's, an order's, a customer's, or one of Stripe's."""
    order_id: str | None = None
    status: str | None = None
    is_disputed: bool = False
    """Whether only those are wanted whose money a dispute holds."""
    currency: str | None = None
    least: int | None = None
    most: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_by_id(self) -> bool:
        """Whether an index finds all of them."""
        return self.identity is not None or self.order_id is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Payments of a list, newest first, and where the next page begins."""

    payments: Sequence[Mapping[str, Any]]
    next_place: Place | None
    is_complete: bool = True
    """False: it ended because enough payments were examined, not because enough were found."""


def read_only(connection: Connection) -> None:
    """Let this transaction write nothing, and none of its statements take long."""
    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))


def payments(connection: Connection, search: Search, *, before: Place | None, limit: int) -> Page:
    """One page of the payments that are wanted."""
    newest_first = _newest_first(_of(search), search, before)
    if not search.is_by_id:
        newest_first = newest_first.limit(LOOKED_AT)
    looked_at = newest_first.subquery()
    wanted = select(looked_at).where(*_filters(search, looked_at.c)).limit(limit + 1)
    rows = [dict(row) for row in connection.execute(wanted).mappings()]
    if len(rows) > limit:
        last = rows[limit - 1]
        return Page(rows[:limit], Place(last["created_at"], last["payment_id"]))
    end = None if search.is_by_id else _end(connection, newest_first)
    return Page(rows, end, is_complete=end is None)


def _newest_first(
    owner: ColumnElement[bool], search: Search, before: Place | None
) -> Select[tuple[Any, ...]]:
    at, identity = _PAYMENT.created_at, _PAYMENT.payment_id
    query = select(*_COLUMNS).where(owner).order_by(at.desc(), identity.desc())
    if search.since:
        query = query.where(at >= search.since)
    if search.until:
        query = query.where(at < search.until)
    if before:
        query = query.where(tuple_(at, identity) < tuple_(before.created_at, before.payment_id))
    return query


def _of(search: Search) -> ColumnElement[bool]:
    """Whose id is asked for; each of them has an index."""
    if search.order_id is not None:
        return _PAYMENT.order_id == search.order_id
    if search.identity is None:
        return true()
    named = [
        (_PAYMENT.payment_id, each == search.identity)
        for each in (
            _PAYMENT.order_id,
            _PAYMENT.customer_id,
            _PAYMENT.stripe_payment_intent_id,
            _PAYMENT.stripe_charge_id,
        )
    ]
    named += [
        (_REFUND.payment_id, _REFUND.stripe_refund_id == search.identity),
        (_DISPUTE.payment_id, _DISPUTE.stripe_dispute_id == search.identity),
    ]
    if uuid := _uuid(search.identity):
        named += [
            (_PAYMENT.payment_id, _PAYMENT.payment_id == uuid),
            (_REFUND.payment_id, _REFUND.refund_id == uuid),
        ]
    first, *others = [select(owner).where(condition) for owner, condition in named]
    return _PAYMENT.payment_id.in_(first.union(*others))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _filters(search: Search, columns: Any) -> Iterator[ColumnElement[bool]]:  # noqa: ANN401 - SQLAlchemy's
    if search.status:
        yield columns.status == search.status
    if search.is_disputed:
        yield columns.is_disputed
    if search.currency:
        yield columns.currency == search.currency
    if search.least is not None:
        yield columns.amount >= search.least
    if search.most is not None:
        yield columns.amount <= search.most


def _end(connection: Connection, newest_first: Select[tuple[Any, ...]]) -> Place | None:
    """The last payment that one page examines; None if there are fewer."""
    last = newest_first.with_only_columns(_PAYMENT.created_at, _PAYMENT.payment_id)
    row = connection.execute(last.offset(LOOKED_AT - 1).limit(1)).one_or_none()
    return row and Place(*row)


def unknown_attempts(connection: Connection, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Attempts whose outcome is unknown, the oldest first, each with its payment."""
    columns = ("payment_id", "refund_id", "action", "unknown_reason", "error_code", "tries", "next_action_at")
    query = (
        select(
            *(_ATTEMPT[name] for name in columns),
            _ATTEMPT.created_at,
            _PAYMENT.order_id,
            func.coalesce(_REFUND.amount, _PAYMENT.amount).label("amount"),
            _PAYMENT.currency,
        )
        .join(tables.payment, _PAYMENT.payment_id == _ATTEMPT.payment_id)
        .outerjoin(tables.refund, _REFUND.refund_id == _ATTEMPT.refund_id)
        .where(_ATTEMPT.finished_at.is_(None), _ATTEMPT.status == AttemptStatus.UNKNOWN)
        .order_by(_ATTEMPT.first_sent_at)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def disputes(connection: Connection, payment_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The disputes of a payment, oldest first."""
    query = select(tables.dispute).where(_DISPUTE.payment_id == payment_id).order_by(_DISPUTE.created_at)
    return [dict(row) for row in connection.execute(query).mappings()]


def exists(connection: Connection, payment_id: UUID) -> bool:
    """Whether there is this payment."""
    found = select(_PAYMENT.payment_id).where(_PAYMENT.payment_id == payment_id)
    return connection.scalar(found) is not None
