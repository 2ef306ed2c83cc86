"""Whether a refund may be asked of Stripe now, later or never, and of how much."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.records import Payment


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
class Refuse:
    """It cannot be."""

    amount: int
    refusal: RefundRefusal


def decide_refund(payment: Payment, *, amount: int | None) -> Reserve | Wait | Refuse:
    """Decide about a refund of `amount` minor units, or of all that is still refundable, under the payment's lock."""
    match payment.status:
        case PaymentStatus.SUCCEEDED if payment.is_disputed:
            return Refuse(amount or 0, RefundRefusal.CHARGE_DISPUTED)
        case PaymentStatus.SUCCEEDED:
            return _of_captured(payment.amount_refundable, amount)
        case PaymentStatus.REQUESTED | PaymentStatus.PROCESSING | PaymentStatus.REQUIRES_ACTION:
            if amount is not None and amount > payment.amount:
                return Refuse(amount, RefundRefusal.EXCEEDS_REFUNDABLE)
            return Wait(amount or payment.amount)
        case PaymentStatus.AUTHORIZED:
            return Refuse(amount or 0, RefundRefusal.PAYMENT_NOT_CAPTURED)
        case PaymentStatus.FAILED:
            return Refuse(amount or 0, RefundRefusal.PAYMENT_FAILED)
        case PaymentStatus.CANCELED:
            return Refuse(amount or 0, RefundRefusal.PAYMENT_CANCELED)
        case _:
            assert_never(payment.status)


def _of_captured(refundable: int, amount: int | None) -> Reserve | Refuse:
    if refundable == 0:
        return Refuse(amount or 0, RefundRefusal.NOTHING_LEFT)
    if amount is not None and amount > refundable:
        return Refuse(amount, RefundRefusal.EXCEEDS_REFUNDABLE)
    return Reserve(amount or refundable)
