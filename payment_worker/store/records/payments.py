"""Rows of `payment`: inserted once, locked before every change."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    RowMapping,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.store import tables
from payment_worker.store.due_rows import DueRows
from payment_worker.store.statements import Change, Compiled

_NAMES: Final = tuple(field.name for field in fields(Payment))
COLUMNS: Final = [tables.payment.c[name] for name in _NAMES]

MUTABLE = (
    "version",
    "status",
    "amount_authorized",
    "amount_captured",
    "amount_refunded",
    "amount_refund_reserved",
    "is_disputed",
    "failure_reason",
    "decline_code",
    "advice_code",
    "retries",
    "capture_before",
    "action_url",
    "cancellation_reason",
    "stripe_payment_intent_id",
    "stripe_charge_id",
)
"""What of a payment ever changes; the rest is the request."""


def payment_of(row: RowMapping | Mapping[str, Any]) -> Payment:
    """The payment that a row with all of `COLUMNS` holds."""
    return _payment(row[name] for name in _NAMES)


def _payment(values: Iterable[Any]) -> Payment:
    """The payment of which these are the values of `COLUMNS`."""
    fields_of_payment = dict(zip(_NAMES, values, strict=True))
    fields_of_payment["status"] = PaymentStatus(fields_of_payment["status"])
    return Payment(**fields_of_payment)


def find(connection: Connection, payment_id: UUID) -> Payment | None:
    """The payment as it is, which may change at any moment."""
    return _fetch_one(connection, select(*COLUMNS).where(tables.payment.c.payment_id == payment_id))


def lock(connection: Connection, payment_id: UUID) -> Payment | None:
    """The payment, locked until the transaction ends. First of all locks: see docs on lock order."""
    return _fetch_one(
        connection, select(*COLUMNS).where(tables.payment.c.payment_id == payment_id).with_for_update()
    )


@dataclass(slots=True)
class Locked:
    """A payment that is locked, as it is after each change that its transaction makes."""

    payment: Payment
    has_balance_transaction: bool
    """Whether fee and net are known."""


def lock_all(
    connection: Connection, *, payment_ids: Collection[UUID], payment_intents: Collection[str]
) -> Sequence[Locked]:
    """The payments with these ids, or with these PaymentIntents, locked in one order until the transaction ends."""
    parameters = {"payment_ids": list(payment_ids), "payment_intents": list(payment_intents)}
    rows = _lock_all().execute(connection, parameters)
    return [Locked(_payment(row[:-1]), row[-1] is not None) for row in rows]


@cache
def _lock_all() -> Compiled:
    row = tables.payment.c
    payment_ids = bindparam("payment_ids", type_=ARRAY(Uuid))
    payment_intents = bindparam("payment_intents", type_=ARRAY(Text))
    return Compiled(
        select(*COLUMNS, row.stripe_balance_transaction_id)
        .where(
            or_(row.payment_id == any_(payment_ids), row.stripe_payment_intent_id == any_(payment_intents))
        )
        .order_by(row.payment_id)
        .with_for_update()
    )


def id_by_payment_intent(connection: Connection, stripe_payment_intent_id: str) -> UUID | None:
    """Whose PaymentIntent this is."""
    table = tables.payment.c
    return connection.scalar(
        select(table.payment_id).where(table.stripe_payment_intent_id == stripe_payment_intent_id)
    )


def fingerprint(connection: Connection, payment_id: UUID) -> str | None:
    """The fingerprint of the request that created the payment."""
    return connection.scalar(
        select(tables.payment.c.fingerprint).where(tables.payment.c.payment_id == payment_id)
    )


REQUEST_LOST: Final = ""
"""The fingerprint of a restored payment, whose original request is known only from what Stripe shows."""


def insert_payment(
    connection: Connection,
    payment: Payment,
    *,
    request: Mapping[str, object],
    fingerprint: str,
    created_at: datetime,
) -> bool:
    """Insert a payment that Stripe knows already, unless it or its PaymentIntent is there; whether it was inserted.

    Args:
        request: the columns that its record does not have.
    """
    record = {column.name: getattr(payment, column.name) for column in COLUMNS}
    timestamps = {"created_at": created_at, "updated_at": created_at}
    row = insert(tables.payment).values({**record, **request, **timestamps, "fingerprint": fingerprint})
    statement = row.on_conflict_do_nothing().returning(tables.payment.c.payment_id)
    return connection.scalar(statement) is not None


def remembered(payment_id: UUID, *, customer_id: str | None, fingerprint: str) -> Change:
    """The change that stores the original request of a restored payment, once it was sent again."""
    values = {"customer_id": customer_id, "fingerprint": fingerprint}
    return Change(tables.payment, {"payment_id": payment_id, "fingerprint": REQUEST_LOST}, values)


def changed(
    before: Payment, after: Payment, *, now: datetime, action_expires_at: datetime | None = None
) -> Change:
    """The change that makes a row which says what one record does say what the other does.

    Args:
        before: the row as it is locked, or as the version that fences the change has it.
        action_expires_at: until when it waits for its customer, if it begins to.
    """
    values = {name: getattr(after, name) for name in MUTABLE if getattr(after, name) != getattr(before, name)}
    values["updated_at"] = now
    if action_expires_at:
        values["action_expires_at"] = action_expires_at
    return Change(tables.payment, {"payment_id": after.payment_id}, values)


def _fetch_one(connection: Connection, query: Select[Any]) -> Payment | None:
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else payment_of(row)


table: Final = tables.payment

EXPIRED_ACTIONS: Final = DueRows(
    table.c.payment_id, table.c.action_expires_at, (table.c.status == PaymentStatus.REQUIRES_ACTION,)
)
"""Payments that have waited for their customer for too long."""

DUE_ADOPTIONS: Final = DueRows(table.c.payment_id, table.c.adoption_due_at)
"""Payments whose adoption is to be continued."""


def end_adoption(connection: Connection, payment_id: UUID) -> None:
    """Note that all was read that Stripe had of an adopted payment."""
    due_at = connection.scalar(select(table.c.adoption_due_at).where(table.c.payment_id == payment_id))
    if due_at:
        connection.execute(
            table.update().where(table.c.payment_id == payment_id).values(adoption_due_at=None)
        )


def extend_action(payment_id: UUID, *, until: datetime) -> Change:
    """The change that lets a payment wait for its customer for longer."""
    return Change(tables.payment, {"payment_id": payment_id}, {"action_expires_at": until})


def is_action_expired(connection: Connection, payment_id: UUID, *, by: datetime) -> bool:
    """Whether a payment waits for its customer, and no longer than until then."""
    query = select(table.c.status, table.c.action_expires_at).where(table.c.payment_id == payment_id)
    status, expires_at = connection.execute(query).one()
    return status == PaymentStatus.REQUIRES_ACTION and expires_at is not None and expires_at <= by


def has_balance_transaction(connection: Connection, payment_id: UUID) -> bool:
    """Whether fee and net are known."""
    query = select(table.c.stripe_balance_transaction_id).where(table.c.payment_id == payment_id)
    return connection.scalar(query) is not None


LACKS_FEE: Final = table.c.stripe_balance_transaction_id.is_(None)
_FEES: Final = (
    func.unnest(
        bindparam("payment_ids", type_=ARRAY(Uuid)),
        bindparam("ids", type_=ARRAY(Text)),
        bindparam("fees", type_=ARRAY(BigInteger)),
        bindparam("nets", type_=ARRAY(BigInteger)),
        bindparam("currencies", type_=ARRAY(Text)),
    )
    .table_valued("payment_id", "id", "fee", "net", "currency", name="fees")
    .render_derived()
)
_LOCKED: Final = (
    select(_FEES)
    .join(table, table.c.payment_id == _FEES.c.payment_id)
    .order_by(table.c.payment_id)
    .with_for_update(of=table)
    .subquery("locked")
)
_RECORD_FEES: Final = Compiled(
    table.update()
    .where(table.c.payment_id == _LOCKED.c.payment_id, LACKS_FEE)
    .values(
        stripe_balance_transaction_id=_LOCKED.c.id,
        fee=_LOCKED.c.fee,
        net=_LOCKED.c.net,
        settlement_currency=_LOCKED.c.currency,
        updated_at=bindparam("now", type_=DateTime(timezone=True)),
    )
)


def record_balance_transactions(
    connection: Connection, fees: Mapping[UUID, BalanceTransaction], *, now: datetime
) -> None:
    """Record fee and net of many payments with one statement, which locks them in one order.

    It raises no version, as below.
    """
    parameters = {
        "payment_ids": list(fees),
        "ids": [each.stripe_balance_transaction_id for each in fees.values()],
        "fees": [each.fee for each in fees.values()],
        "nets": [each.net for each in fees.values()],
        "currencies": [each.currency for each in fees.values()],
        "now": now,
    }
    _RECORD_FEES.execute(connection, parameters)


def with_balance_transaction(
    payment_id: UUID, balance_transaction: BalanceTransaction, *, now: datetime
) -> Change:
    """The change that records fee and net. It does not increment the version, because snapshots stay valid."""
    values = {
        "stripe_balance_transaction_id": balance_transaction.stripe_balance_transaction_id,
        "fee": balance_transaction.fee,
        "net": balance_transaction.net,
        "settlement_currency": balance_transaction.currency,
        "updated_at": now,
    }
    return Change(table, {"payment_id": payment_id}, values, only=LACKS_FEE)
