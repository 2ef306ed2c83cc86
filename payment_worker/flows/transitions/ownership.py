"""Finds the payment that a Stripe object belongs to, by its id or by metadata with a valid MAC.

Everybody who may write to the account can write metadata. An object with our ids but without a MAC over them and over
its own fields is not ours. The MAC can be copied to an object with the same fields, so an attempt's object is
identified by its idempotency key as well.
"""

from uuid import UUID

from payment_worker.domain.metadata_mac import Claim, is_signed
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import Named, RefundSnapshot
from payment_worker.domain.transitions.verdicts import AwaitsAttempt
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.provenance import charged_under
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import attempts, payments
from payment_worker.telemetry import learned


def owner(
    context: Context,
    connection: Connection,
    *,
    payment_intent: str | None,
    named: Named | None,
    account: str,
    idempotency_key: str | None = None,
) -> UUID | AwaitsAttempt | None:
    """The payment of an object: by its PaymentIntent, or by what its metadata and its key prove together.

    Args:
        named: what its metadata say; None where they are not known.
        account: the connected account that the object is on.
        idempotency_key: that of the request which created or changed the object, if an event names it.
    """
    result: UUID | AwaitsAttempt | None = None
    if payment_intent and (payment_id := payments.id_by_payment_intent(connection, payment_intent)):
        result = payment_id
    elif named is not None:
        result = _proven_payment_id(context, connection, named, account, idempotency_key)
    learned(payment_id=result if isinstance(result, UUID) else None)
    return result


def _proven_payment_id(
    context: Context,
    connection: Connection,
    named: Named,
    account: str,
    idempotency_key: str | None,
) -> UUID | AwaitsAttempt | None:
    """The payment that has no PaymentIntent yet, and of which metadata and key prove that this one is its."""
    payment = named_payment(connection, named)
    if payment is None or payment.stripe_payment_intent_id is not None:
        return None
    if not is_of(context, connection, payment, named, account=account):
        return None
    if charged_under(context, connection, payment.payment_id, idempotency_key):
        return payment.payment_id
    return AwaitsAttempt() if attempts.unfinished(connection, payment_id=payment.payment_id) else None


def named_payment(connection: Connection, named: Named) -> Payment | None:
    """The payment that metadata name, whoever wrote them."""
    payment_id = as_uuid(named.payment_id)
    return payments.find(connection, payment_id) if payment_id else None


def is_of(context: Context, connection: Connection, payment: Payment, named: Named, *, account: str) -> bool:
    """Whether metadata prove that their object is of this payment."""
    names_payment = as_uuid(named.payment_id) == payment.payment_id and named.order_id == payment.order_id
    is_same_account = payment.stripe_account == account
    return names_payment and is_same_account and is_proven(context, connection, named, account=account)


def is_proven(context: Context, connection: Connection, named: Named, *, account: str) -> bool:
    """Whether we signed what the metadata of a PaymentIntent say, and what it shows itself."""
    payment_id = as_uuid(named.payment_id)
    if payment_id is None or not isinstance(named.amount, int):
        return False
    claim = Claim(
        payment_id=payment_id,
        order_id=str(named.order_id),
        amount=named.amount,
        currency=str(named.currency),
        stripe_account=account,
    )
    return is_signed(claim, str(named.mac), context.metadata_secrets.read(connection))


def is_proven_refund(
    context: Context, connection: Connection, payment: Payment, snapshot: RefundSnapshot
) -> bool:
    """Whether we signed that this Refund is the refund of this payment which its metadata name."""
    refund_id = as_uuid(snapshot.refund_id)
    if refund_id is None or as_uuid(snapshot.payment_id) != payment.payment_id:
        return False
    claim = Claim(
        payment_id=payment.payment_id,
        refund_id=refund_id,
        order_id=payment.order_id,
        amount=snapshot.amount,
        currency=snapshot.currency,
        stripe_account=payment.stripe_account,
    )
    return is_signed(claim, str(snapshot.mac), context.metadata_secrets.read(connection))
