"""Reads all rows of a payment's timeline, found from any id."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, or_, select

from payment_worker.store import tables

Record = Mapping[str, Any]
"""A row as it is."""

ATTEMPT_COLUMNS = (
    "attempt_id",
    "refund_id",
    "number",
    "action",
    "idempotency_key",
    "status",
    "unknown_reason",
    "error_code",
    "stripe_request_id",
    "tries",
    "next_action_at",
    "never_sent",
    "created_at",
    "finished_at",
)
"""Without the parameters: they contain data of the customer."""


def payment_of(connection: Connection, identity: UUID | str) -> UUID | None:
    """Whose id this is: a payment's, a refund's, an order's (its newest payment), or one of Stripe's objects'."""
    payment, refund = tables.payment.c, tables.refund.c
    if isinstance(identity, UUID):
        of_payment = select(payment.payment_id).where(payment.payment_id == identity)
        of_refund = select(refund.payment_id).where(refund.refund_id == identity)
    else:
        stripe_ids = (payment.stripe_payment_intent_id, payment.stripe_charge_id)
        of_payment = select(payment.payment_id).where(or_(*(each == identity for each in stripe_ids)))
        of_refund = select(refund.payment_id).where(refund.stripe_refund_id == identity)
    of_dispute = select(tables.dispute.c.payment_id).where(
        tables.dispute.c.stripe_dispute_id == str(identity)
    )
    warning = tables.early_fraud_warning.c
    of_warning = select(warning.payment_id).where(warning.stripe_early_fraud_warning_id == str(identity))
    of_order = select(payment.payment_id).where(payment.order_id == str(identity))
    newest_of_order = of_order.order_by(payment.created_at.desc()).limit(1)
    payment_id: UUID | None = connection.scalars(of_payment.union(of_refund, of_dispute, of_warning)).first()
    return payment_id or connection.scalar(newest_of_order)


def payment_of_event(connection: Connection, event_id: str) -> UUID | None:
    """Whose event this is: that of the object it is about, or of the PaymentIntent that object names."""
    event = tables.stripe_event.c
    event_object = event.payload["data"]["object"]
    row = connection.execute(
        select(
            event.object_id,
            event_object["payment_intent"].astext.label("payment_intent"),
            event_object["payment_intent"]["id"].astext.label("expanded"),
        ).where(event.event_id == event_id)
    ).first()
    object_ids = [each for each in row or () if each]
    payment_ids = (payment_of(connection, each) for each in object_ids)
    return next((payment_id for payment_id in payment_ids if payment_id), None)


def payment(connection: Connection, payment_id: UUID) -> Record:
    """The payment's row, without the customer's data."""
    hidden_columns = {"metadata", "description", "fingerprint", "payment_method"}
    columns = [column for column in tables.payment.c if column.name not in hidden_columns]
    query = select(*columns).where(tables.payment.c.payment_id == payment_id)
    return dict(connection.execute(query).mappings().one())


MADE_AT_STRIPE: Final = tables.refund.c.fingerprint.is_(None).label("is_made_at_stripe")
"""Whether no app asked us for a refund: somebody made it in Stripe's dashboard, or another program did."""


def refunds(connection: Connection, payment_id: UUID) -> Sequence[Record]:
    """Its refunds, oldest first."""
    columns = [column for column in tables.refund.c if column.name != "fingerprint"]
    return _rows_of(connection, tables.refund, [*columns, MADE_AT_STRIPE], payment_id, "created_at")


def early_fraud_warnings(connection: Connection, payment_id: UUID) -> Sequence[Record]:
    """What its card's issuer reported, oldest first."""
    table = tables.early_fraud_warning
    return _rows_of(connection, table, list(table.c), payment_id, "created_at")


def history(connection: Connection, payment_id: UUID) -> Sequence[Record]:
    """Every transition of it and of its refunds, in order; the archived ones are the oldest."""
    return [
        row
        for table in (tables.payment_history_archive, tables.payment_history)
        for row in _rows_of(connection, table, list(table.c), payment_id, "history_id")
    ]


def attempts(connection: Connection, payment_id: UUID) -> Sequence[Record]:
    """Every request to Stripe for it, in order; the archived ones are the oldest."""
    return [
        row
        for table in (tables.payment_attempt_archive, tables.payment_attempt)
        for row in _rows_of(
            connection, table, [table.c[name] for name in ATTEMPT_COLUMNS], payment_id, "attempt_id"
        )
    ]


def messages(connection: Connection, payment_id: UUID) -> Sequence[Record]:
    """The messages about it, in order."""
    table = tables.outbox
    columns = [table.c.position, table.c.type, table.c.occurred_at, table.c.published_at]
    return _rows_of(connection, table, columns, payment_id, "position")


FINDING_COLUMNS = (
    "kind",
    "object_id",
    "status",
    "run_id",
    "found_at",
    "closed_by",
    "close_reason",
    "closed_at",
)


def findings(connection: Connection, payment_id: UUID) -> Sequence[Record]:
    """Where a reconciliation found that Stripe says something else of it, in order."""
    table = tables.reconciliation_finding
    columns = [table.c[name] for name in FINDING_COLUMNS]
    return _rows_of(connection, table, columns, payment_id, "finding_id")


def _rows_of(
    connection: Connection,
    table: Table,
    columns: Sequence[ColumnElement[Any]],
    payment_id: UUID,
    order_by: str,
) -> Sequence[Record]:
    query = select(*columns).where(table.c.payment_id == payment_id).order_by(table.c[order_by])
    return [dict(row) for row in connection.execute(query).mappings()]
