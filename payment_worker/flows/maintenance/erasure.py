"""Erases a customer's texts on request: descriptions, metadata, addresses, mandates; amounts and history stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from payment_worker.store.connection.database import Database
from payment_worker.store.records import payments
from payment_worker.store.removal import erasure


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased."""

    payments: int
    rejected_requests: int
    left: Sequence[UUID]
    """Payments with a request that has no outcome: what it sends may be sent again, and is erased later."""


def erase_customer(database: Database, customer_id: str) -> Erased:
    """Erase the texts of all payments of this customer, and of the requests of theirs that were rejected."""
    with database.begin() as connection:
        payment_ids = erasure.payments_of(connection, customer_id)
    not_erased = [payment_id for payment_id in payment_ids if not _erase_payment(database, payment_id)]
    with database.begin() as connection:
        rejected = erasure.erase_rejected(connection, customer_id)
    return Erased(payments=len(payment_ids) - len(not_erased), rejected_requests=rejected, left=not_erased)


def _erase_payment(database: Database, payment_id: UUID) -> bool:
    with database.begin() as connection:
        payments.lock(connection, payment_id)
        if erasure.is_in_work(connection, payment_id):
            return False
        erasure.erase_payment(connection, payment_id)
        return True
