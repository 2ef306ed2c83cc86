"""Retrieves an object from Stripe together with the version of our record before the call."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import DisputeSnapshot, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.flows.context import Context
from payment_worker.gateway.client import NotFetched, fetch_dispute, fetch_payment_intent, fetch_refund
from payment_worker.store.records import disputes, payments, refunds

Snapshot = PaymentIntentSnapshot | RefundSnapshot | DisputeSnapshot


class ObjectKind(StrEnum):
    """The kinds of Stripe's objects whose state we record."""

    PAYMENT_INTENT = "payment_intent"
    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An object of Stripe's, and the payment of ours that it belongs to."""

    kind: ObjectKind
    stripe_id: str
    payment_id: UUID
    account: str


def target_of(kind: ObjectKind, stripe_id: str, payment: Payment) -> Target:
    """An object of this payment."""
    return Target(
        kind=kind, stripe_id=stripe_id, payment_id=payment.payment_id, account=payment.stripe_account
    )


def fetch(context: Context, target: Target) -> Snapshot | NotFetched:
    """Retrieve the object, with the version that our record had before the call."""
    match target.kind:
        case ObjectKind.PAYMENT_INTENT:
            return _payment_intent(context, target)
        case ObjectKind.REFUND:
            return _refund(context, target)
        case ObjectKind.DISPUTE:
            return _dispute(context, target)
        case _:
            assert_never(target.kind)


def _payment_intent(context: Context, target: Target) -> PaymentIntentSnapshot | NotFetched:
    with context.database.begin() as connection:
        payment = payments.find(connection, target.payment_id)
    fetched = fetch_payment_intent(context.stripe, target.stripe_id, account=target.account)
    if payment and isinstance(fetched, PaymentIntentSnapshot):
        return fetched.as_of(payment.version)
    return fetched


def _refund(context: Context, target: Target) -> RefundSnapshot | NotFetched:
    with context.database.begin() as connection:
        refund = refunds.find_by_stripe(connection, target.stripe_id)
    fetched = fetch_refund(context.stripe, target.stripe_id, account=target.account)
    return fetched.as_of(refund.version) if refund and isinstance(fetched, RefundSnapshot) else fetched


def _dispute(context: Context, target: Target) -> DisputeSnapshot | NotFetched:
    with context.database.begin() as connection:
        status = disputes.statuses(connection, [target.stripe_id]).get(target.stripe_id)
    fetched = fetch_dispute(context.stripe, target.stripe_id, account=target.account)
    return fetched.as_of(status) if isinstance(fetched, DisputeSnapshot) else fetched
