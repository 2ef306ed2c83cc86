"""Which requests a payment's state allows: capture, cancel, retry, refund; and the reason where it does not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from payment_worker.domain.declines import may_retry, never_again
from payment_worker.domain.money import CURRENCIES, part_fault
from payment_worker.domain.payment import Payment, PaymentStatus


class Refusal(StrEnum):
    """Why a well-formed request about a payment cannot be: the `reason` of its answer."""

    NOT_AUTHORIZED = "payment_not_authorized"
    """It is not, or not yet, held for a capture."""
    FAILED = "payment_failed"
    SUCCEEDED = "payment_succeeded"
    """Too late to cancel: what was taken can be refunded."""
    CANCELED = "payment_canceled"
    EXPIRED = "authorization_expired"
    ALREADY_CAPTURED = "already_captured"
    """Another amount was."""
    EXCEEDS_AUTHORIZED = "amount_exceeds_authorized"
    NOT_A_STEP = "amount_not_a_step"
    """Amounts in its currency are multiples of 10 or 100."""
    NOTHING_AT_STRIPE = "nothing_at_stripe"
    """Stripe refused the charge as it was and made no PaymentIntent that could be canceled or tried again."""
    DECLINED_FOR_GOOD = "declined_for_good"
    """Only another payment method may be tried."""
    TOO_MANY_RETRIES = "too_many_retries"
    ATTEMPT_UNANSWERED = "attempt_unanswered"
    """It is not known yet what another request to Stripe came to."""
    NEVER_EXECUTED = "never_executed_by_stripe"


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask Stripe; to capture, for this amount of minor units."""

    amount: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """What is asked for is so already."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot be."""

    refusal: Refusal


Decision = Ask | Done | Refuse

LET_GO: Final = frozenset({"automatic", "expired"})
"""Stripe's reasons for a cancellation that nobody asked for."""


def decide_capture(payment: Payment, *, amount: int | None) -> Decision:
    """Decide about a capture of `amount` minor units, or of all that is authorised."""
    match payment.status:
        case PaymentStatus.AUTHORIZED:
            return _of_authorized(payment, amount or payment.amount_authorized)
        case PaymentStatus.SUCCEEDED:
            wanted = amount or payment.amount_authorized or payment.amount
            return Done() if wanted == payment.amount_captured else Refuse(Refusal.ALREADY_CAPTURED)
        case PaymentStatus.CANCELED:
            expired = payment.amount_authorized > 0 and payment.cancellation_reason in LET_GO
            return Refuse(Refusal.EXPIRED if expired else Refusal.CANCELED)
        case PaymentStatus.FAILED:
            return Refuse(Refusal.FAILED)
        case _:
            return Refuse(Refusal.NOT_AUTHORIZED)


def _of_authorized(payment: Payment, amount: int) -> Decision:
    if amount > payment.amount_authorized:
        return Refuse(Refusal.EXCEEDS_AUTHORIZED)
    currency = CURRENCIES.get(payment.currency)
    if currency and part_fault(amount, currency):
        return Refuse(Refusal.NOT_A_STEP)
    return Ask(amount)


def decide_cancel(payment: Payment) -> Decision:
    """Decide about giving up a payment that has not succeeded."""
    match payment.status:
        case PaymentStatus.CANCELED:
            return Done()
        case PaymentStatus.SUCCEEDED:
            return Refuse(Refusal.SUCCEEDED)
        case _ if payment.stripe_payment_intent_id is None:
            return Refuse(Refusal.NOTHING_AT_STRIPE)
        case _:
            return Ask()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a declined payment may be tried again. The card networks count, and fine, what goes beyond theirs."""

    automatic: int = 0
    """Times that the worker does it by itself."""
    first_delay: timedelta = timedelta(days=1)
    """Before the first of those; doubled before each further one."""
    most: int = 20
    """Times in all, asked for or automatic."""
    most_in_period: int = 14
    period: timedelta = timedelta(days=30)


def decide_retry(
    payment: Payment, *, same_method: bool, retries_in_period: int, policy: RetryPolicy
) -> Decision:
    """Decide about another try of a payment that was declined, or waits for its customer."""
    match payment.status:
        case PaymentStatus.CANCELED:
            return Refuse(Refusal.CANCELED)
        case PaymentStatus.SUCCEEDED | PaymentStatus.AUTHORIZED | PaymentStatus.PROCESSING:
            return Done()
        case PaymentStatus.REQUESTED:
            return Refuse(Refusal.ATTEMPT_UNANSWERED)
        case _:
            pass
    if payment.stripe_payment_intent_id is None:
        return Refuse(Refusal.NOTHING_AT_STRIPE)
    if same_method and never_again(payment.decline_code, payment.advice_code):
        return Refuse(Refusal.DECLINED_FOR_GOOD)
    if payment.retries >= policy.most or retries_in_period >= policy.most_in_period:
        return Refuse(Refusal.TOO_MANY_RETRIES)
    return Ask()


def automatic_retry_at(payment: Payment, *, policy: RetryPolicy, now: datetime) -> datetime | None:
    """When the worker tries a payment again by itself that one of its own attempts was declined for; None: never."""
    if payment.status is not PaymentStatus.FAILED or payment.stripe_payment_intent_id is None:
        return None
    if payment.retries >= policy.automatic or not may_retry(payment.decline_code, payment.advice_code):
        return None
    return now + policy.first_delay * (1 << payment.retries)


class RefundRefusal(StrEnum):
    """Why a well-formed refund cannot be: the refund's `failure_reason`."""

    PAYMENT_FAILED = "payment_failed"
    PAYMENT_CANCELED = "payment_canceled"
    PAYMENT_NOT_CAPTURED = "payment_not_captured"
    NOTHING_LEFT = "nothing_left_to_refund"
    EXCEEDS_REFUNDABLE = "amount_exceeds_refundable"
    CHARGE_DISPUTED = "charge_disputed"
    """Stripe's own word for it."""
    NEVER_EXECUTED = "never_executed_by_stripe"


@dataclass(frozen=True, slots=True)
class Reserve:
    """Hold this amount of the payment, in minor units, and ask Stripe."""

    amount: int


@dataclass(frozen=True, slots=True)
class Wait:
    """The payment has no outcome yet; look again when it has."""

    amount: int


@dataclass(frozen=True, slots=True)
class RefuseRefund:
    """It cannot be."""

    amount: int
    refusal: RefundRefusal


def decide_refund(payment: Payment, *, amount: int | None) -> Reserve | Wait | RefuseRefund:
    """Decide about a refund of `amount` minor units, or of all that is still refundable, under the payment's lock."""
    match payment.status:
        case PaymentStatus.SUCCEEDED if payment.is_disputed:
            return RefuseRefund(amount or 0, RefundRefusal.CHARGE_DISPUTED)
        case PaymentStatus.SUCCEEDED:
            return _of_captured(payment.amount_refundable, amount)
        case PaymentStatus.REQUESTED | PaymentStatus.PROCESSING | PaymentStatus.REQUIRES_ACTION:
            if amount is not None and amount > payment.amount:
                return RefuseRefund(amount, RefundRefusal.EXCEEDS_REFUNDABLE)
            return Wait(amount or payment.amount)
        case PaymentStatus.AUTHORIZED:
            return RefuseRefund(amount or 0, RefundRefusal.PAYMENT_NOT_CAPTURED)
        case PaymentStatus.FAILED:
            return RefuseRefund(amount or 0, RefundRefusal.PAYMENT_FAILED)
        case PaymentStatus.CANCELED:
            return RefuseRefund(amount or 0, RefundRefusal.PAYMENT_CANCELED)
        case _:
            assert_never(payment.status)


def _of_captured(refundable: int, amount: int | None) -> Reserve | RefuseRefund:
    if refundable == 0:
        return RefuseRefund(amount or 0, RefundRefusal.NOTHING_LEFT)
    if amount is not None and amount > refundable:
        return RefuseRefund(amount, RefundRefusal.EXCEEDS_REFUNDABLE)
    return Reserve(amount or refundable)
