"""Handles events of charges that were refunded."""

from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import apply, unavailable
from payment_worker.flows.events.result import Deferred, Processed, Reason, Result
from payment_worker.flows.events.subjects import About
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.store.events.inbox import InboxEvent


def may_refund_more(payment: Payment, charge: About) -> bool:
    """Whether more of a charge is refunded than we know."""
    return bool(charge["amount_refunded"] > payment.amount_refunded)


def handle_refunded_charge(
    context: Context, event: InboxEvent, payment: Payment, about: About, intent: str
) -> Result:
    """Apply every Refund of a charge, which says how much of it is refunded but not by which."""
    if not may_refund_more(payment, about):
        return Processed(Reason.UNCHANGED)
    looked: Result = Processed(Reason.UNCHANGED)
    if payment.status is not PaymentStatus.SUCCEEDED:
        first = apply(context, event, payment, ObjectKind.PAYMENT_INTENT, intent)
        if not isinstance(first, Processed) or first.reason is Reason.CONTRADICTED:
            return first
        looked = first
    listed = context.stripe.refunds_of(intent, account=payment.stripe_account)
    if not isinstance(listed, list):
        return unavailable(context, listed, account=payment.stripe_account)
    return max([looked, *(_apply(context, event, payment, each) for each in listed)], key=_weight)


def _apply(context: Context, event: InboxEvent, payment: Payment, listed: RefundSnapshot) -> Result:
    kind = ObjectKind.REFUND
    return apply(context, event, payment, kind, listed.stripe_refund_id, snapshot=listed)


def _weight(result: Result) -> tuple[bool, bool, bool]:
    """How much it says of several results together: what waits, then what contradicts, then what changed."""
    return (
        isinstance(result, Deferred),
        result.reason is Reason.CONTRADICTED,
        result.reason is Reason.CHANGED,
    )
