"""Reads payouts for display: the newest, and one with its transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from payment_worker.store import tables

_PAYOUT = tables.payout
_LINE = tables.balance_transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRow:
    """A payout. Amounts in minor units."""

    stripe_payout_id: str
    stripe_account: str
    amount: int
    currency: str
    status: str
    is_arrived: bool
    """Whether it was ever paid; it may have failed after that."""
    is_automatic: bool
    arrival_date: date
    failure_code: str | None
    itemized_amount: int | None
    created_at: datetime

    @property
    def state(self) -> str:
        """Its state in a word or two."""
        return "failed after paid" if self.is_arrived and self.status == "FAILED" else self.status.lower()

    @property
    def difference(self) -> int | None:
        """The amount minus the sum of its lines; None if Stripe does not list them, or not yet."""
        return None if self.itemized_amount is None else self.amount - self.itemized_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutLine:
    """A balance transaction that a payout paid out. Amounts in minor units."""

    stripe_balance_transaction_id: str
    created_at: datetime
    type: str
    reporting_category: str | None
    source_id: str | None
    object_id: str | None
    amount: int
    fee: int
    net: int
    currency: str


def newest(connection: Connection, *, limit: int) -> Sequence[PayoutRow]:
    """The newest payouts."""
    query = select(*(_PAYOUT.c[name] for name in PayoutRow.__slots__))
    sorted_query = query.order_by(_PAYOUT.c.created_at.desc(), _PAYOUT.c.stripe_payout_id).limit(limit)
    return [PayoutRow(**row) for row in connection.execute(sorted_query).mappings()]


def find(connection: Connection, stripe_payout_id: str) -> PayoutRow | None:
    """The payout of this id."""
    query = select(*(_PAYOUT.c[name] for name in PayoutRow.__slots__)).where(
        _PAYOUT.c.stripe_payout_id == stripe_payout_id
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else PayoutRow(**row)


def lines(connection: Connection, stripe_payout_id: str, *, limit: int | None = None) -> Sequence[PayoutLine]:
    """The transactions in a payout, in the order of their creation; the first, if there is a limit."""
    query = select(*(_LINE.c[name] for name in PayoutLine.__slots__)).where(
        _LINE.c.stripe_payout_id == stripe_payout_id
    )
    sorted_query = query.order_by(_LINE.c.created_at, _LINE.c.stripe_balance_transaction_id)
    return [PayoutLine(**row) for row in connection.execute(sorted_query.limit(limit)).mappings()]
