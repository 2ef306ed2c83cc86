"""Searches payments and refunds by any id or filter, newest first, a page at a time.

A filter may match few of many rows. A page therefore looks at a limited number of rows, newest first, and says how
far it came: it takes the same time at a thousand rows and at ten million, and needs no index for each filter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, CompoundSelect, Connection, Select, Uuid, select, tuple_, union

from payment_worker.domain.refund import RefundStatus
from payment_worker.domain.uuids import as_uuid
from payment_worker.store import tables
from payment_worker.store.queries.timeline import MADE_AT_STRIPE, payment_of_event

_PAYMENT: Final = tables.payment.c
_REFUND: Final = tables.refund.c
_DISPUTE: Final = tables.dispute.c

LISTED: Final = (
    *("payment_id", "order_id", "customer_id", "amount", "currency", "status", "amount_refunded"),
    *("is_disputed", "failure_reason", "decline_code", "created_at", "stripe_account"),
)
_OF_PAYMENT: Final = (
    _PAYMENT.payment_id,
    _PAYMENT.order_id,
    _PAYMENT.customer_id,
    _PAYMENT.stripe_payment_intent_id,
    _PAYMENT.stripe_charge_id,
    _DISPUTE.stripe_dispute_id,
)
_OF_REFUND: Final = (_REFUND.refund_id, _REFUND.stripe_refund_id)

LOOKED_AT: Final = 10_000
"""Rows that one page of a filtered list examines: about 15 ms if they are in memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list, newest first."""

    created_at: datetime
    row_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which rows are wanted. Amounts in minor units."""

    identity: str | None = None
    """A payment's, a refund's, an order's, a customer's, or one of Stripe's; a UUID in whatever way it is written."""
    order_id: str | None = None
    status: str | None = None
    is_disputed: bool = False
    """Whether only those payments are wanted whose money a dispute holds."""
    account: str | None = None
    """The Stripe account of payments, as their rows name it."""
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
    """Rows of a list, newest first, and where the next page begins."""

    rows: Sequence[Mapping[str, Any]]
    next_place: Place | None
    is_complete: bool = True
    """False: it ended because enough rows were examined, not because enough were found."""


def payments(connection: Connection, search: Search, *, before: Place | None, limit: int) -> Page:
    """One page of the payments that are wanted, each with whether a refund of it has failed."""
    search = _by_payment(connection, search)
    query = select(*(_PAYMENT[name] for name in LISTED))
    if search.is_by_id:
        query = query.where(_PAYMENT.payment_id.in_(_payments_of(search, [*_OF_PAYMENT, *_OF_REFUND])))
    page = _page(connection, query, _PAYMENT.payment_id, search, before=before, limit=limit)
    ids = [row["payment_id"] for row in page.rows]
    is_failed = (_REFUND.payment_id.in_(ids), _REFUND.status == RefundStatus.FAILED)
    failed = set(connection.scalars(select(_REFUND.payment_id).where(*is_failed)))
    rows = [{**row, "has_failed_refund": row["payment_id"] in failed} for row in page.rows]
    return replace(page, rows=rows)


def refunds(connection: Connection, search: Search, *, before: Place | None, limit: int) -> Page:
    """One page of the refunds that are wanted, each with its order: all of a payment's, or the one that is named."""
    # A refund's row has neither.
    search = replace(_by_payment(connection, search), is_disputed=False, account=None)
    query = select(tables.refund, MADE_AT_STRIPE)
    if search.is_by_id:
        by_refund_id = [
            select(_REFUND.refund_id).where(each) for _, each in _equal(_OF_REFUND, search.identity)
        ]
        by_payment = select(_REFUND.refund_id).where(
            _REFUND.payment_id.in_(_payments_of(search, _OF_PAYMENT))
        )
        query = query.where(_REFUND.refund_id.in_(union(by_payment, *by_refund_id)))
    page = _page(connection, query, _REFUND.refund_id, search, before=before, limit=limit)
    # Of these alone: of all that are examined it would take longer than the rest.
    ids = {row["payment_id"] for row in page.rows}
    payments_query = select(_PAYMENT.payment_id, _PAYMENT.order_id, _PAYMENT.stripe_account)
    payment_rows = connection.execute(payments_query.where(_PAYMENT.payment_id.in_(ids))).mappings()
    payment_by_id = {row["payment_id"]: row for row in payment_rows}
    return replace(page, rows=[{**row, **payment_by_id[row["payment_id"]]} for row in page.rows])


def _by_payment(connection: Connection, search: Search) -> Search:
    """The search for an event's id as one for its payment's."""
    if not (search.identity and search.identity.startswith("evt_")):
        return search
    payment_id = payment_of_event(connection, search.identity)
    return replace(search, identity=str(payment_id)) if payment_id else search


def _payments_of(
    search: Search, columns: Sequence[Column[Any]]
) -> Select[tuple[UUID]] | CompoundSelect[UUID]:
    """The ids of the payments that an id names; each of these columns has an index."""
    if search.order_id is not None:
        return select(_PAYMENT.payment_id).where(_PAYMENT.order_id == search.order_id)
    return union(
        *(
            select(each.table.c.payment_id).where(condition)
            for each, condition in _equal(columns, search.identity)
        )
    )


def _equal(
    columns: Sequence[Column[Any]], identity: str | None
) -> Iterator[tuple[Column[Any], ColumnElement[bool]]]:
    """The conditions of these columns to be equal to the id, as far as they can be."""
    uuid = as_uuid(identity)
    for column in columns:
        if not isinstance(column.type, Uuid):
            # Ids of apps are stored as they came, but for UUIDs, which are stored in their canonical form.
            yield column, column.in_([identity, str(uuid)] if uuid else [identity])
        elif uuid:
            yield column, column == uuid


def _page(
    connection: Connection,
    query: Select[Any],
    key: Column[UUID],
    search: Search,
    *,
    before: Place | None,
    limit: int,
) -> Page:
    at = key.table.c.created_at
    newest_first = query.order_by(at.desc(), key.desc())
    if search.since:
        newest_first = newest_first.where(at >= search.since)
    if search.until:
        newest_first = newest_first.where(at < search.until)
    if before:
        newest_first = newest_first.where(tuple_(at, key) < tuple_(before.created_at, before.row_id))
    if not search.is_by_id:
        newest_first = newest_first.limit(LOOKED_AT)
    examined = newest_first.subquery()
    matching = select(examined).where(*_filters(search, examined.c)).limit(limit + 1)
    rows = [dict(row) for row in connection.execute(matching).mappings()]
    if len(rows) > limit:
        last_row = rows[limit - 1]
        return Page(rows[:limit], Place(last_row["created_at"], last_row[key.name]))
    if search.is_by_id:
        return Page(rows, None)
    # The last row that was examined, if there may be more.
    last_examined = newest_first.with_only_columns(at, key).offset(LOOKED_AT - 1).limit(1)
    end = connection.execute(last_examined).one_or_none()
    return Page(rows, Place(*end) if end else None, is_complete=end is None)


def _filters(search: Search, columns: Any) -> Iterator[ColumnElement[bool]]:  # noqa: ANN401 - SQLAlchemy's
    if search.status:
        yield columns.status == search.status
    if search.is_disputed:
        yield columns.is_disputed
    if search.account is not None:
        yield columns.stripe_account == search.account
    if search.currency:
        yield columns.currency == search.currency
    if search.least is not None:
        yield columns.amount >= search.least
    if search.most is not None:
        yield columns.amount <= search.most
