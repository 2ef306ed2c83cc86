"""Whose payment an object of Stripe's belongs to."""

from uuid import UUID

from payment_worker.store import payments
from payment_worker.store.database import Connection
from payment_worker.telemetry import learned


def owner(
    connection: Connection, *, payment_intent: str | None, named: object, account: str | None
) -> UUID | None:
    """Whose payment an object belongs to: by its PaymentIntent, or by the id that its metadata names.

    Args:
        account: the connected account that the object is on. Whoever has that account may write metadata there, so
            that a name counts only for a payment that is on it too.
    """
    payment_id = _owner(connection, payment_intent, as_uuid(named), account or None)
    learned(payment_id=payment_id)
    return payment_id


def _owner(
    connection: Connection, payment_intent: str | None, named: UUID | None, account: str | None
) -> UUID | None:
    if payment_intent and (known := payments.id_by_payment_intent(connection, payment_intent)):
        return known
    payment = payments.find(connection, named) if named else None
    if payment is None or payment.stripe_account != account:
        return None
    if payment.stripe_payment_intent_id not in {None, payment_intent}:
        return None
    return payment.payment_id


def as_uuid(value: object) -> UUID | None:
    """The UUID that a text is, or None: metadata is anybody's to write."""
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None
