"""Whether a payment's status allows a capture, cancel, retry or refund, and the reason if not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from payment_worker.domain.attempts.declines import never_again
from payment_worker.domain.money import CURRENCIES, part_fault
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.retry_policy import RetryPolicy


class RejectionReason(StrEnum):
    """Why a valid request about a payment is rejected: the `reason` of the task's result."""

    NOT_AUTHORIZED = "payment_not_authorized"
    """It is not, or not yet, held for a capture."""
    FAILED = "payment_failed"
    SUCCEEDED = "payment_succeeded"
    """Too late to cancel: a captured payment can be refunded."""
    CANCELED = "payment_canceled"
    EXPIRED = "authorization_expired"
    ALREADY_CAPTURED = "already_captured"
    """Another amount was."""
    EXCEEDS_AUTHORIZED = "amount_exceeds_authorized"
    NOT_A_STEP = "amount_not_a_step"
    """Amounts in its currency are multiples of 10 or 100."""
    NOTHING_AT_STRIPE = "nothing_at_stripe"
    """Stripe rejected the charge and created no PaymentIntent that could be canceled or retried."""
    DECLINED_FOR_GOOD = "declined_for_good"
    """Only another payment method may be tried."""
    TOO_MANY_RETRIES = "too_many_retries"
    ATTEMPT_UNANSWERED = "attempt_unanswered"
    """The outcome of another attempt is still unknown."""
    NEVER_EXECUTED = "never_executed_by_stripe"


@dataclass(frozen=True, slots=True)
class Proceed:
    """Ask Stripe; to capture, for this amount of minor units."""

    amount: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The requested change has been made already."""


@dataclass(frozen=True, slots=True)
class Reject:
    """It cannot be."""

    rejection_reason: RejectionReason


Decision = Proceed | Done | Reject

EXPIRED_REASONS: Final = frozenset({"automatic", "expired"})
"""Stripe's reasons for a cancellation that nobody requested."""


def decide_capture(payment: Payment, *, amount: int | None) -> Decision:
    """Decide about a capture of `amount` minor units, or of all that is authorised."""
    match payment.status:
        case PaymentStatus.AUTHORIZED:
            return _of_authorized(payment, amount or payment.amount_held)
        case PaymentStatus.SUCCEEDED:
            requested = amount or payment.amount_authorized or payment.amount
            return (
                Done() if requested == payment.amount_captured else Reject(RejectionReason.ALREADY_CAPTURED)
            )
        case PaymentStatus.CANCELED:
            is_expired = payment.amount_authorized > 0 and payment.cancellation_reason in EXPIRED_REASONS
            return Reject(RejectionReason.EXPIRED if is_expired else RejectionReason.CANCELED)
        case PaymentStatus.FAILED:
            return Reject(RejectionReason.FAILED)
        case _:
            return Reject(RejectionReason.NOT_AUTHORIZED)


def decide_captured(payment: Payment, *, amount: int, captured_before: int, is_final: bool) -> Decision:
    """Whether a capture of `amount` has been made, before which so much was captured already."""
    captured = payment.amount_captured - captured_before
    match payment.status:
        case PaymentStatus.SUCCEEDED if is_final:
            return Done() if captured == amount else Reject(RejectionReason.ALREADY_CAPTURED)
        case PaymentStatus.SUCCEEDED | PaymentStatus.AUTHORIZED if not is_final and captured >= amount:
            return Done()
        case _:
            return decide_capture(payment, amount=amount)


def _of_authorized(payment: Payment, amount: int) -> Decision:
    if amount > payment.amount_held or amount == 0:
        return Reject(RejectionReason.EXCEEDS_AUTHORIZED)
    currency = CURRENCIES.get(payment.currency)
    if currency and part_fault(amount, currency):
        return Reject(RejectionReason.NOT_A_STEP)
    return Proceed(amount)


def decide_cancel(payment: Payment) -> Decision:
    """Decide about giving up a payment that has not succeeded."""
    match payment.status:
        case PaymentStatus.CANCELED:
            return Done()
        case PaymentStatus.SUCCEEDED:
            return Reject(RejectionReason.SUCCEEDED)
        case _ if payment.stripe_payment_intent_id is None:
            return Reject(RejectionReason.NOTHING_AT_STRIPE)
        case _:
            return Proceed()


def decide_retry(
    payment: Payment, *, same_method: bool, retries_in_period: int, policy: RetryPolicy
) -> Decision:
    """Decide about a retry of a payment that was declined, or waits for its customer."""
    match payment.status:
        case PaymentStatus.CANCELED:
            return Reject(RejectionReason.CANCELED)
        case PaymentStatus.SUCCEEDED | PaymentStatus.AUTHORIZED | PaymentStatus.PROCESSING:
            return Done()
        case PaymentStatus.REQUESTED:
            return Reject(RejectionReason.ATTEMPT_UNANSWERED)
        case _:
            pass
    if payment.stripe_payment_intent_id is None:
        return Reject(RejectionReason.NOTHING_AT_STRIPE)
    if same_method and never_again(payment.decline_code, payment.advice_code):
        return Reject(RejectionReason.DECLINED_FOR_GOOD)
    if payment.retries >= policy.most or retries_in_period >= policy.most_in_period:
        return Reject(RejectionReason.TOO_MANY_RETRIES)
    return Proceed()


class RefundRejectionReason(StrEnum):
    """Why a well-formed refund cannot be: the refund's `failure_reason`."""

    PAYMENT_FAILED = "payment_failed"
    PAYMENT_CANCELED = "payment_canceled"
    PAYMENT_NOT_CAPTURED = "payment_not_captured"
    NOTHING_LEFT = "nothing_left_to_refund"
    EXCEEDS_REFUNDABLE = "amount_exceeds_refundable"
    CHARGE_DISPUTED = "charge_disputed"
    """Stripe's own word for it."""
    NEVER_EXECUTED = "never_executed_by_stripe"


NOT_CAPTURED: Final[Mapping[PaymentStatus, RefundRejectionReason]] = MappingProxyType(
    {
        PaymentStatus.AUTHORIZED: RefundRejectionReason.PAYMENT_NOT_CAPTURED,
        PaymentStatus.FAILED: RefundRejectionReason.PAYMENT_FAILED,
        PaymentStatus.CANCELED: RefundRejectionReason.PAYMENT_CANCELED,
    }
)
"""Why there is nothing to refund of a payment of which nothing was captured."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve this amount of the payment, in minor units, and execute the refund."""

    amount: int


@dataclass(frozen=True, slots=True)
class Wait:
    """The payment has no outcome yet; decide again when it has."""

    amount: int


@dataclass(frozen=True, slots=True)
class RejectRefund:
    """It cannot be."""

    amount: int
    rejection_reason: RefundRejectionReason


def decide_refund(payment: Payment, *, amount: int | None) -> Reserve | Wait | RejectRefund:
    """Decide about a refund of `amount` minor units, or of all that is still refundable, under the payment's lock."""
    match payment.status:
        case PaymentStatus.SUCCEEDED if payment.is_disputed:
            return RejectRefund(amount or 0, RefundRejectionReason.CHARGE_DISPUTED)
        case PaymentStatus.AUTHORIZED if payment.amount_captured:
            return Wait(amount or payment.amount_captured)  # until the last of several captures
        case PaymentStatus.CANCELED if payment.amount_captured:
            return _of_captured(payment.amount_refundable, amount)
        case PaymentStatus.SUCCEEDED:
            return _of_captured(payment.amount_refundable, amount)
        case PaymentStatus.REQUESTED | PaymentStatus.PROCESSING | PaymentStatus.REQUIRES_ACTION:
            if amount is not None and amount > payment.amount:
                return RejectRefund(amount, RefundRejectionReason.EXCEEDS_REFUNDABLE)
            return Wait(amount or payment.amount)
        case PaymentStatus.AUTHORIZED | PaymentStatus.FAILED | PaymentStatus.CANCELED:
            return RejectRefund(amount or 0, NOT_CAPTURED[payment.status])
        case _:
            assert_never(payment.status)


def _of_captured(refundable: int, amount: int | None) -> Reserve | RejectRefund:
    if refundable == 0:
        return RejectRefund(amount or 0, RefundRejectionReason.NOTHING_LEFT)
    if amount is not None and amount > refundable:
        return RejectRefund(amount, RefundRejectionReason.EXCEEDS_REFUNDABLE)
    return Reserve(amount or refundable)
