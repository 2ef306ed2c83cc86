"""Rows of `balance_transaction`: every balance transaction of Stripe."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from payment_worker.domain.balance_transaction import BalanceTransaction, Source
from payment_worker.store import tables

table: Final = tables.balance_transaction

FIXED: Final = ("type", "amount", "fee", "net", "currency")
"""What of a balance transaction never changes at Stripe, and is posted."""

OWN: Final = [field.name for field in fields(BalanceTransaction) if field.name != "source"]

Differing = Sequence[tuple[BalanceTransaction, dict[str, object]]]
"""Balance transactions, and how they were stored otherwise."""


RECORDED: Final = ("fee", "net", "currency")
"""What of the balance transaction of a charge our record of the payment has."""


def differing(connection: Connection, transactions: Sequence[BalanceTransaction]) -> Differing:
    """Those of these that were otherwise when they were stored, and how they were."""
    by_id = {each.stripe_balance_transaction_id: each for each in transactions}
    columns = [table.c.stripe_balance_transaction_id, *(table.c[name] for name in FIXED)]
    rows = connection.execute(select(*columns).where(columns[0].in_(by_id))).mappings()
    return [
        (by_id[row["stripe_balance_transaction_id"]], {name: row[name] for name in FIXED})
        for row in rows
        if any(row[name] != getattr(by_id[row["stripe_balance_transaction_id"]], name) for name in FIXED)
    ]


def recorded_otherwise(
    connection: Connection, transactions: Sequence[BalanceTransaction]
) -> list[tuple[BalanceTransaction, UUID, dict[str, object]]]:
    """Those of these whose fee, net or currency another one is in our record of their payment; which, and how."""
    by_id = {each.stripe_balance_transaction_id: each for each in transactions}
    intents = {each.source.stripe_payment_intent_id for each in transactions if each.source}
    payment = tables.payment.c
    query = select(
        payment.payment_id,
        payment.stripe_balance_transaction_id,
        payment.fee,
        payment.net,
        payment.settlement_currency.label("currency"),
    ).where(payment.stripe_payment_intent_id.in_(intents - {None}))
    rows = [
        row for row in connection.execute(query).mappings() if row["stripe_balance_transaction_id"] in by_id
    ]
    return [
        (
            by_id[row["stripe_balance_transaction_id"]],
            row["payment_id"],
            {name: row[name] for name in RECORDED},
        )
        for row in rows
        if any(row[name] != getattr(by_id[row["stripe_balance_transaction_id"]], name) for name in RECORDED)
    ]


def keep(
    connection: Connection, transactions: Sequence[BalanceTransaction], *, stripe_account: str, now: datetime
) -> None:
    """Store new ones, and of known ones that they were shown again, with the fields that may change."""
    if not transactions:
        return
    rows = [
        _row(each, stripe_account, now)
        for each in sorted(transactions, key=lambda each: each.stripe_balance_transaction_id)
    ]
    insertion = insert(table)
    proposed = insertion.excluded
    connection.execute(
        insertion.on_conflict_do_update(
            index_elements=["stripe_balance_transaction_id"],
            set_={
                "status": proposed.status,
                "available_on": proposed.available_on,
                "seen_at": proposed.seen_at,
            },
        ),
        rows,
    )


def _row(transaction: BalanceTransaction, stripe_account: str, now: datetime) -> dict[str, Any]:
    source = transaction.source
    return {
        **{name: getattr(transaction, name) for name in OWN},
        "stripe_account": stripe_account,
        "object_id": source and source.object_id,
        "source_amount": source and source.amount,
        "source_currency": source and source.currency,
        "seen_at": now,
    }


def find(
    connection: Connection, transaction_ids: Collection[str], *, stripe_account: str
) -> Sequence[BalanceTransaction]:
    """Those of these that are an account's, as they were stored."""
    condition = table.c.stripe_balance_transaction_id.in_(transaction_ids) & (
        table.c.stripe_account == stripe_account
    )
    return [_transaction(row) for row in connection.execute(select(table).where(condition)).mappings()]


def _transaction(row: RowMapping) -> BalanceTransaction:
    source = None
    if row["object_id"] is not None:
        source = Source(
            object_id=row["object_id"], amount=row["source_amount"], currency=row["source_currency"]
        )
    return BalanceTransaction(**{name: row[name] for name in OWN}, source=source)


def not_shown(
    connection: Connection, *, stripe_account: str, since: datetime, before: datetime, limit: int
) -> Sequence[str]:
    """Those made from then on that Stripe did not show any more when its list was read, which began at `before`."""
    query = (
        select(table.c.stripe_balance_transaction_id)
        .where(
            table.c.stripe_account == stripe_account, table.c.created_at >= since, table.c.seen_at < before
        )
        .order_by(table.c.created_at)
        .limit(limit)
    )
    return connection.scalars(query).all()
