"""What was booked of a payment's charge: columns of `payment` that are no part of its state, written once."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Update, select

from payment_worker.domain.booking import Booking
from payment_worker.store import tables

table: Final = tables.payment


def is_booked(connection: Connection, payment_id: UUID) -> bool:
    """Whether fee and net are known."""
    known = select(table.c.stripe_balance_transaction_id).where(table.c.payment_id == payment_id)
    return connection.scalar(known) is not None


def booked(payment_id: UUID, booking: Booking, *, now: datetime) -> Update:
    """The update that notes fee and net. It raises no version: no answer of Stripe's gets older by it."""
    return (
        table.update()
        .where(table.c.payment_id == payment_id, table.c.stripe_balance_transaction_id.is_(None))
        .values(
            stripe_balance_transaction_id=booking.stripe_balance_transaction_id,
            fee=booking.fee,
            net=booking.net,
            settlement_currency=booking.currency,
            updated_at=now,
        )
    )
