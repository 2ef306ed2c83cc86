"""Finds the payment that a Stripe object belongs to, by its id or by metadata with a valid MAC.

Metadata are anybody's to write. What carries our ids without the MAC over them, or with one over something else
than the object shows, is not ours.
"""

from uuid import UUID

from payment_worker.domain.metadata_mac import Claim, is_signed
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named, RefundSnapshot
from payment_worker.flows.context import Context
from payment_worker.store import payments
from payment_worker.store.connection.database import Connection
from payment_worker.telemetry import learned


def owner(
    context: Context,
    connection: Connection,
    *,
    payment_intent: str | None,
    named: Named | None,
    account: str | None,
) -> UUID | None:
    """Whose payment an object belongs to: by its PaymentIntent, or by the id that its metadata prove.

    Args:
        named: what its metadata say; None where they are not known.
        account: the connected account that the object is on.
    """
    payment_id = _owner(context, connection, payment_intent, named, account or None)
    learned(payment_id=payment_id)
    return payment_id


def _owner(
    context: Context,
    connection: Connection,
    payment_intent: str | None,
    named: Named | None,
    account: str | None,
) -> UUID | None:
    if payment_intent and (known := payments.id_by_payment_intent(connection, payment_intent)):
        return known
    if named is None or (payment := named_payment(connection, named)) is None:
        return None
    if payment.stripe_payment_intent_id not in {None, payment_intent}:
        return None
    return payment.payment_id if is_of(context, connection, payment, named, account=account) else None


def named_payment(connection: Connection, named: Named) -> Payment | None:
    """The payment that metadata name, whoever wrote them."""
    payment_id = as_uuid(named.payment_id)
    return payments.find(connection, payment_id) if payment_id else None


def is_of(
    context: Context, connection: Connection, payment: Payment, named: Named, *, account: str | None
) -> bool:
    """Whether metadata prove that their object is of this payment."""
    same = as_uuid(named.payment_id) == payment.payment_id and named.order_id == payment.order_id
    on_its_account = (account or None) == payment.stripe_account
    return same and on_its_account and is_proven(context, connection, named, account=account)


def is_proven(context: Context, connection: Connection, named: Named, *, account: str | None) -> bool:
    """Whether we signed what the metadata of a PaymentIntent say, and what it shows itself."""
    payment_id = as_uuid(named.payment_id)
    if payment_id is None or not isinstance(named.amount, int):
        return False
    claim = Claim(
        payment_id=payment_id,
        order_id=str(named.order_id),
        amount=named.amount,
        currency=str(named.currency),
        stripe_account=account or None,
    )
    return is_signed(claim, str(named.mac), context.metadata_secrets.read(connection))


def is_proven_refund(
    context: Context, connection: Connection, payment: Payment, seen: RefundSnapshot
) -> bool:
    """Whether we signed that this Refund is the refund of this payment which its metadata name."""
    refund_id = as_uuid(seen.refund_id)
    if refund_id is None or as_uuid(seen.payment_id) != payment.payment_id:
        return False
    claim = Claim(
        payment_id=payment.payment_id,
        refund_id=refund_id,
        order_id=payment.order_id,
        amount=seen.amount,
        currency=seen.currency,
        stripe_account=payment.stripe_account,
    )
    return is_signed(claim, str(seen.mac), context.metadata_secrets.read(connection))


def as_uuid(value: object) -> UUID | None:
    """The UUID that a text is, or None: metadata is anybody's to write."""
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None
