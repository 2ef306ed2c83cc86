"""Rows of `payout`: the current status of each payout, and whether its transactions were read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from payment_worker.domain.ledger.payouts import Payout, PayoutStatus
from payment_worker.store import tables

table: Final = tables.payout
lines: Final = tables.balance_transaction

UNFINISHED: Final = (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPayout:
    """A payout as recorded."""

    stripe_payout_id: str
    stripe_account: str
    amount: int
    currency: str
    status: str
    is_arrived: bool
    itemized_amount: int | None


COLUMNS: Final = [table.c[name] for name in KnownPayout.__slots__]


def lock(connection: Connection, stripe_payout_id: str) -> KnownPayout | None:
    """The payout, locked until the transaction ends."""
    query = select(*COLUMNS).where(table.c.stripe_payout_id == stripe_payout_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else KnownPayout(**row)


def keep(
    connection: Connection, payout: Payout, *, stripe_account: str, is_arrived: bool, now: datetime
) -> None:
    """Make the row say what Stripe shows."""
    values = {
        "status": payout.status,
        "arrival_date": payout.arrival_date,
        "failure_code": payout.failure_code,
        "is_arrived": is_arrived,
        "updated_at": now,
    }
    row = insert(table).values(
        stripe_payout_id=payout.stripe_payout_id,
        stripe_account=stripe_account,
        amount=payout.amount,
        currency=payout.currency,
        is_automatic=payout.is_automatic,
        created_at=payout.created_at,
        **values,
    )
    connection.execute(row.on_conflict_do_update(index_elements=["stripe_payout_id"], set_=values))


def unfinished(connection: Connection, *, stripe_account: str, limit: int) -> Sequence[str]:
    """Payouts that the bank does not have yet, oldest first."""
    return _ids(connection, table.c.status.in_(UNFINISHED), stripe_account=stripe_account, limit=limit)


def not_itemized(connection: Connection, *, stripe_account: str, limit: int) -> Sequence[str]:
    """Automatic payouts whose transactions are not read yet, oldest first."""
    condition = table.c.is_automatic & table.c.itemized_amount.is_(None)
    return _ids(connection, condition, stripe_account=stripe_account, limit=limit)


def _ids(connection: Connection, condition: Any, *, stripe_account: str, limit: int) -> Sequence[str]:  # noqa: ANN401 - SQLAlchemy's clause
    query = select(table.c.stripe_payout_id).where(condition, table.c.stripe_account == stripe_account)
    return connection.scalars(query.order_by(table.c.created_at).limit(limit)).all()


def itemize(connection: Connection, stripe_payout_id: str, transaction_ids: Sequence[str]) -> None:
    """Note that a payout paid these out."""
    condition = lines.c.stripe_balance_transaction_id.in_(transaction_ids)
    connection.execute(update(lines).where(condition).values(stripe_payout_id=stripe_payout_id))


def mark_itemized(connection: Connection, stripe_payout_id: str, amount: int) -> None:
    """Note what all that a payout paid out comes to."""
    condition = table.c.stripe_payout_id == stripe_payout_id
    connection.execute(update(table).where(condition).values(itemized_amount=amount))
