"""What an observation of Stripe's object does to our record: the pure half of `settle`.

Nothing here moves a state backwards, and nothing believes a snapshot that may be older than what we know.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from payment_worker.domain import payment as payments
from payment_worker.domain import refund as refunds
from payment_worker.domain.declines import failure_reason
from payment_worker.domain.payment import Payment, PaymentStatus, PaymentTrigger
from payment_worker.domain.refund import LOST, RELEASED, Refund, RefundStatus
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot, RefundSnapshot


class Contradiction(StrEnum):
    """How an observation can contradict our record in a way that no move forward explains."""

    ANOTHER_PAYMENT_INTENT = "another PaymentIntent for this payment"
    ANOTHER_REFUND = "another Refund for this refund"
    AMOUNT_DIFFERS = "amount differs"
    CURRENCY_DIFFERS = "currency differs"
    EXISTS_AFTER_ALL = "Stripe has a refund that was believed never to have been made"


@dataclass(frozen=True, slots=True)
class Advanced:
    """The record as it must be written now; for a refund, the payment's row beside it."""

    payment: Payment
    refund: Refund | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The snapshot may be older than what we know: the object must be fetched again."""


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The payment does not yet show the money that this refund takes: other news must be applied first."""


@dataclass(frozen=True, slots=True)
class Contradicted:
    """Left for a person."""

    contradiction: Contradiction


PaymentVerdict = Advanced | Unchanged | Stale | Contradicted
RefundVerdict = Advanced | Unchanged | NoRoom | Contradicted


def transition_payment(payment: Payment, seen: PaymentIntentSnapshot) -> PaymentVerdict:
    """Apply what was seen of a PaymentIntent."""
    if contradiction := _payment_contradiction(payment, seen):
        return Contradicted(contradiction)
    if not seen.is_timeless and seen.as_of_version != payment.version:
        return Stale()
    if shows_former_try(payment, seen):
        return Unchanged()
    status = payment.status if seen.trigger is None else payments.next_status(payment.status, seen.trigger)
    known = replace(
        payment,
        stripe_payment_intent_id=seen.stripe_payment_intent_id,
        stripe_charge_id=seen.stripe_charge_id or payment.stripe_charge_id,
    )
    moved = _moved(known, status, seen) if status is not payment.status else known
    return Unchanged() if moved == payment else Advanced(replace(moved, version=payment.version + 1))


def shows_former_try(payment: Payment, seen: PaymentIntentSnapshot) -> bool:
    """Whether it shows what was before another try that has no outcome yet, and so is no news of that try.

    A try that was executed off session and came to nothing leaves a failed charge of its own. One that left none
    cannot be told from the try before it, unless it is known to be what is shown.
    """
    return (
        payment.status is PaymentStatus.REQUESTED
        and payment.retries > 0
        and not seen.is_of_attempt
        and seen.trigger in {None, PaymentTrigger.FAILED, PaymentTrigger.ACTION_REQUIRED}
        and seen.stripe_charge_id == payment.stripe_charge_id
    )


def _payment_contradiction(payment: Payment, seen: PaymentIntentSnapshot) -> Contradiction | None:
    if payment.stripe_payment_intent_id not in {None, seen.stripe_payment_intent_id}:
        return Contradiction.ANOTHER_PAYMENT_INTENT
    if seen.currency != payment.currency:
        return Contradiction.CURRENCY_DIFFERS
    if seen.amount != payment.amount or seen.amount_received > payment.amount:
        return Contradiction.AMOUNT_DIFFERS
    if seen.trigger is PaymentTrigger.SUCCEEDED and seen.amount_received <= 0:
        return Contradiction.AMOUNT_DIFFERS
    return None


def _moved(payment: Payment, status: PaymentStatus, seen: PaymentIntentSnapshot) -> Payment:
    match status:
        case PaymentStatus.FAILED:
            return fail_payment(payment, seen.decline or Decline())
        case PaymentStatus.SUCCEEDED:
            cleared = replace(_cleared(payment), cancellation_reason=None)
            return replace(cleared, status=status, amount_captured=seen.amount_received)
        case PaymentStatus.AUTHORIZED:
            return replace(
                _cleared(payment),
                status=status,
                amount_authorized=seen.amount_capturable,
                capture_before=seen.capture_before,
            )
        case PaymentStatus.REQUIRES_ACTION:
            return replace(_cleared(payment), status=status, action_url=seen.action_url)
        case PaymentStatus.CANCELED:
            why = seen.cancellation_reason or payment.cancellation_reason
            return replace(_cleared(payment), status=status, cancellation_reason=why)
        case _:
            return replace(_cleared(payment), status=status)


def _cleared(payment: Payment) -> Payment:
    return replace(payment, failure_reason=None, decline_code=None, advice_code=None, action_url=None)


def fail_payment(payment: Payment, decline: Decline) -> Payment:
    """The payment as failed for Stripe's reason, in the catalogue's words. The version is the caller's to raise."""
    return replace(
        _cleared(payment),
        status=PaymentStatus.FAILED,
        failure_reason=failure_reason(decline.error_code, decline.decline_code).value,
        decline_code=decline.decline_code or decline.error_code,
        advice_code=decline.advice_code,
    )


def retry_payment(payment: Payment) -> Payment:
    """The payment as it is once another try is asked for."""
    return replace(
        _cleared(payment),
        status=payments.next_status(payment.status, PaymentTrigger.RETRIED),
        retries=payment.retries + 1,
        version=payment.version + 1,
    )


def transition_refund(payment: Payment, refund: Refund, seen: RefundSnapshot) -> RefundVerdict:
    """Apply what was seen of a Refund, and move the payment's amounts with it."""
    if refund.stripe_refund_id not in {None, seen.stripe_refund_id}:
        return Contradicted(Contradiction.ANOTHER_REFUND)
    if seen.currency != refund.currency:
        return Contradicted(Contradiction.CURRENCY_DIFFERS)
    if seen.amount != refund.amount:
        return Contradicted(Contradiction.AMOUNT_DIFFERS)
    if refund.status in RELEASED and refund.stripe_refund_id is None and seen.trigger not in LOST:
        return Contradicted(Contradiction.EXISTS_AFTER_ALL)
    status = refunds.next_status(refund.status, seen.trigger)
    if status is refund.status:
        if refund.stripe_refund_id:
            return Unchanged()
        known = replace(refund, stripe_refund_id=seen.stripe_refund_id, version=refund.version + 1)
        return Advanced(payment, known)
    known = replace(refund, stripe_refund_id=seen.stripe_refund_id)
    return move_refund(payment, known, status, failure_reason=seen.failure_reason)


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


def adopt_refund(payment: Payment, refund: Refund, seen: RefundSnapshot) -> RefundVerdict:
    """Take over a refund that was made elsewhere: `refund` is its new row, REQUESTED and holding nothing yet.

    Stripe never lets refunds exceed what was captured, so where our own record has no room for one that
    exists, some other refund of ours has been refused or has failed and the news is still on its way.
    """
    if seen.currency != payment.currency:
        return Contradicted(Contradiction.CURRENCY_DIFFERS)
    if (
        seen.amount > payment.amount_refundable
        and refunds.next_status(refund.status, seen.trigger) not in RELEASED
    ):
        return NoRoom()
    reserved = replace(payment, amount_refund_reserved=payment.amount_refund_reserved + seen.amount)
    verdict = transition_refund(reserved, refund, seen)
    if isinstance(verdict, Advanced):
        return replace(verdict, payment=replace(verdict.payment, version=payment.version + 1))
    return verdict
