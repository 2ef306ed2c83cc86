"""What a snapshot of a Refund changes in our refund and in the amounts of its payment."""

from dataclasses import replace

from payment_worker.domain import refund as refunds
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import LOST, RELEASED, Refund, RefundStatus, RefundTrigger
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.transitions.verdicts import (
    Advanced,
    Contradicted,
    Contradiction,
    PaymentBehind,
    RefundVerdict,
    Stale,
    Unchanged,
)


def transition_refund(payment: Payment, refund: Refund, snapshot: RefundSnapshot) -> RefundVerdict:
    """Apply a snapshot of a Refund, and move the payment's amounts with it."""
    if refund.stripe_refund_id not in {None, snapshot.stripe_refund_id}:
        return Contradicted(Contradiction.ANOTHER_REFUND)
    if snapshot.currency != refund.currency:
        return Contradicted(Contradiction.CURRENCY_DIFFERS)
    if snapshot.amount != refund.amount or snapshot.amount <= 0:
        return Contradicted(Contradiction.AMOUNT_DIFFERS)
    if refund.status in RELEASED and refund.stripe_refund_id is None and snapshot.trigger not in LOST:
        return Contradicted(Contradiction.EXISTS_AFTER_ALL)
    status = refunds.next_status(refund.status, snapshot.trigger)
    if status is refund.status:
        return _same_status(payment, refund, snapshot)
    pending_reason = snapshot.pending_reason if status is RefundStatus.PENDING else None
    with_id = replace(refund, stripe_refund_id=snapshot.stripe_refund_id, pending_reason=pending_reason)
    advanced = move_refund(payment, with_id, status, failure_reason=snapshot.failure_reason)
    return (
        advanced
        if is_reversed_as_asked(refund, snapshot)
        else replace(advanced, contradiction=Contradiction.NOT_REVERSED)
    )


def _same_status(payment: Payment, refund: Refund, snapshot: RefundSnapshot) -> RefundVerdict:
    """A Refund in the status that we know: its id may be new, or the reason why it is still pending."""
    is_pending = refund.status is RefundStatus.PENDING and snapshot.trigger is RefundTrigger.PENDED
    pending_reason = (snapshot.pending_reason if is_pending else None) or refund.pending_reason
    updated = replace(refund, stripe_refund_id=snapshot.stripe_refund_id, pending_reason=pending_reason)
    if updated == refund:
        return Unchanged()
    if pending_reason != refund.pending_reason and snapshot.as_of_version != refund.version:
        # Reasons have no order, so that one of unknown age may be an older one.
        return Stale()
    return Advanced(payment, replace(updated, version=refund.version + 1))


def is_reversed_as_asked(refund: Refund, snapshot: RefundSnapshot) -> bool:
    """Whether a Refund reverses its share of the transfer, if requested (Connect)."""
    return not refund.reverse_transfer or snapshot.is_transfer_reversed or snapshot.trigger in LOST


def move_refund(
    payment: Payment, refund: Refund, status: RefundStatus, *, failure_reason: str | None = None
) -> Advanced:
    """The refund in its new status, and the payment holding and having given back what that means."""
    reserved = payment.amount_refund_reserved - (refund.amount if status in RELEASED else 0)
    refunded = payment.amount_refunded + refund.amount * (
        (status is RefundStatus.PROCESSED) - (refund.status is RefundStatus.PROCESSED)
    )
    amounts = replace(payment, amount_refund_reserved=reserved, amount_refunded=refunded)
    return Advanced(
        amounts if amounts == payment else replace(amounts, version=payment.version + 1),
        replace(
            refund,
            status=status,
            version=refund.version + 1,
            failure_reason=(failure_reason or "unknown") if status is RefundStatus.FAILED else None,
        ),
    )


def adopt_refund(payment: Payment, refund: Refund, snapshot: RefundSnapshot) -> RefundVerdict:
    """Adopt a refund that was made elsewhere: `refund` is its new row, REQUESTED and reserving nothing yet.

    Stripe never lets refunds exceed the captured amount. If our record has no room for an existing one, another
    refund of ours was rejected or has failed and that update has not arrived yet.
    """
    if snapshot.currency != payment.currency:
        return Contradicted(Contradiction.CURRENCY_DIFFERS)
    if (
        snapshot.amount > payment.amount_refundable
        and refunds.next_status(refund.status, snapshot.trigger) not in RELEASED
    ):
        return PaymentBehind()
    reserved = replace(payment, amount_refund_reserved=payment.amount_refund_reserved + snapshot.amount)
    verdict = transition_refund(reserved, refund, snapshot)
    if isinstance(verdict, Advanced):
        return replace(verdict, payment=replace(verdict.payment, version=payment.version + 1))
    return verdict
