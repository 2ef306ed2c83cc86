"""Erases a customer's texts from the rows of their payments; ids, amounts and states stay."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Table, select

from payment_worker.store import tables

OURS: Final = frozenset(
    {"payment_id", "refund_id", "order_id", "payment_worker_order_id", "payment_worker_mac"}
)
"""Metadata by which we find our objects: ids and what proves them."""

TOLD: Final = frozenset({"description", "mandate_data", "receipt_email", "statement_descriptor_suffix"})
"""Parameters of a request to Stripe that hold what a person told."""

EVENT: Final = frozenset({"id", "object", "account", "api_version", "created", "livemode", "request", "type"})
OBJECT: Final = frozenset({"id", "object", "amount", "currency", "status", "payment_intent", "charge"})


def payments_of(connection: Connection, customer_id: str) -> Sequence[UUID]:
    """The payments of a customer, oldest first."""
    table = tables.payment.c
    query = select(table.payment_id).where(table.customer_id == customer_id).order_by(table.created_at)
    return connection.scalars(query).all()


def is_in_work(connection: Connection, payment_id: UUID) -> bool:
    """Whether a request about the payment has no outcome: it may be sent again exactly as it is."""
    table = tables.payment_attempt.c
    query = (
        select(table.attempt_id).where(table.payment_id == payment_id, table.finished_at.is_(None)).limit(1)
    )
    return connection.scalar(query) is not None


def erase_payment(connection: Connection, payment_id: UUID) -> None:
    """Erase a payment's texts; it is locked, and no request about it is without an outcome."""
    payment, refund = tables.payment, tables.refund
    empty_texts: dict[str, Any] = {"description": None, "statement_descriptor_suffix": None, "metadata": {}}
    connection.execute(payment.update().where(payment.c.payment_id == payment_id).values(**empty_texts))
    connection.execute(refund.update().where(refund.c.payment_id == payment_id).values(note=None))
    for table in (tables.payment_attempt, tables.payment_attempt_archive):
        _erase_attempts(connection, table, payment_id)
    _erase_events(connection, payment_id)


def _erase_attempts(connection: Connection, table: Table, payment_id: UUID) -> None:
    rows = connection.execute(
        select(table.c.attempt_id, table.c.parameters).where(table.c.payment_id == payment_id)
    ).all()
    for attempt_id, parameters in rows:
        remaining = _without_texts(json.loads(parameters))
        text = json.dumps(remaining, separators=(",", ":"), sort_keys=True)
        connection.execute(table.update().where(table.c.attempt_id == attempt_id).values(parameters=text))


def _without_texts(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    remaining = {name: value for name, value in parameters.items() if name not in TOLD}
    return (
        {**remaining, "metadata": _own_metadata(remaining["metadata"])}
        if "metadata" in remaining
        else remaining
    )


def _own_metadata(metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {name: value for name, value in (metadata or {}).items() if name in OURS}


def _erase_events(connection: Connection, payment_id: UUID) -> None:
    payment, refund, dispute, event = tables.payment.c, tables.refund.c, tables.dispute.c, tables.stripe_event
    warning = tables.early_fraud_warning.c
    objects = (select(payment.stripe_payment_intent_id).where(payment.payment_id == payment_id)).union(
        select(payment.stripe_charge_id).where(payment.payment_id == payment_id),
        select(refund.stripe_refund_id).where(refund.payment_id == payment_id),
        select(dispute.stripe_dispute_id).where(dispute.payment_id == payment_id),
        select(warning.stripe_early_fraud_warning_id).where(warning.payment_id == payment_id),
    )
    columns = (event.c.stripe_account, event.c.event_id, event.c.payload)
    query = select(*columns).where(event.c.object_id.in_(objects), event.c.finished_at.is_not(None))
    for account, event_id, payload in connection.execute(query).all():
        conditions = (event.c.stripe_account == account, event.c.event_id == event_id)
        connection.execute(event.update().where(*conditions).values(payload=_without_customer_data(payload)))


def _without_customer_data(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    event_object = payload.get("data", {}).get("object", {})
    remaining = {name: value for name, value in event_object.items() if name in OBJECT}
    remaining["metadata"] = _own_metadata(event_object.get("metadata"))
    return {name: value for name, value in payload.items() if name in EVENT} | {"data": {"object": remaining}}


def erase_rejected(connection: Connection, customer_id: str) -> int:
    """Erase the arguments of rejected requests that carried this customer's id; how many."""
    table = tables.rejected_request
    statement = table.update().where(table.c.ids.contains([customer_id]), table.c.arguments != {})
    # What was sent again already is complete by its CHECK, and stays what it was then but for its arguments.
    update = statement.values(arguments={}, is_complete=table.c.replayed_at.is_not(None))
    return connection.execute(update).rowcount
