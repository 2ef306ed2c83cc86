"""What a snapshot of a PaymentIntent changes in the payment."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from payment_worker.domain import payment as payments
from payment_worker.domain.attempts.declines import failure_reason
from payment_worker.domain.payment import FINAL, Payment, PaymentStatus, PaymentTrigger, shows_status
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot
from payment_worker.domain.transitions.verdicts import (
    Advanced,
    Contradicted,
    Contradiction,
    PaymentVerdict,
    Stale,
    Unchanged,
)

_CLEARED: Final[Mapping[str, Any]] = MappingProxyType(
    {"failure_reason": None, "decline_code": None, "advice_code": None, "action_url": None}
)
"""What a payment keeps of the status before it: nothing."""


def transition_payment(payment: Payment, snapshot: PaymentIntentSnapshot) -> PaymentVerdict:
    """Apply a snapshot of a PaymentIntent.

    An amount beyond what was requested is recorded too, if it certainly belongs to this payment.
    """
    if contradiction := _is_another(payment, snapshot):
        return Contradicted(contradiction)
    if not snapshot.is_final and snapshot.as_of_version != payment.version:
        return Stale()
    if shows_previous_attempt(payment, snapshot):
        return Unchanged()
    status = (
        payment.status if snapshot.trigger is None else payments.next_status(payment.status, snapshot.trigger)
    )
    if (snapshot.is_final or status in FINAL) and not shows_status(status, snapshot.trigger):
        return Contradicted(Contradiction.STATUS_DIFFERS)
    values: dict[str, Any] = {
        "stripe_payment_intent_id": snapshot.stripe_payment_intent_id,
        "stripe_charge_id": snapshot.stripe_charge_id or payment.stripe_charge_id,
    }
    if status is not payment.status or status is PaymentStatus.AUTHORIZED:
        values |= _values_of_status(payment, status, snapshot)
    if all(getattr(payment, name) == value for name, value in values.items()):
        return Unchanged()
    advanced = replace(payment, **values, version=payment.version + 1)
    return Advanced(advanced, contradiction=_otherwise(payment, snapshot))


def _otherwise(payment: Payment, snapshot: PaymentIntentSnapshot) -> Contradiction | None:
    """How it differs from what was requested."""
    if took_more(payment, snapshot):
        return Contradiction.AMOUNT_DIFFERS
    return Contradiction.FEE_DIFFERS if not is_split_as_asked(payment, snapshot) else None


def took_more(payment: Payment, snapshot: PaymentIntentSnapshot) -> bool:
    """Whether Stripe captured, holds or will capture another amount than was requested."""
    largest = max(snapshot.amount_received, snapshot.amount_capturable)
    return snapshot.amount != payment.amount or largest > payment.amount


def is_split_as_asked(payment: Payment, snapshot: PaymentIntentSnapshot) -> bool:
    """Whether application fee and transfer are as requested (Connect)."""
    return (
        snapshot.application_fee_amount == payment.application_fee_amount
        and snapshot.transfer_destination == payment.transfer_destination
        and snapshot.transfer_amount == payment.transfer_amount
    )


def shows_previous_attempt(payment: Payment, snapshot: PaymentIntentSnapshot) -> bool:
    """Whether it shows the state before a retry that has no outcome yet, and so says nothing about the retry.

    An off-session retry that failed has a failed charge of its own. One without a charge cannot be told from the
    attempt before it, unless the snapshot is known to show its result.
    """
    return (
        payment.status is PaymentStatus.REQUESTED
        and payment.retries > 0
        and not snapshot.is_from_attempt
        and snapshot.trigger in {None, PaymentTrigger.FAILED, PaymentTrigger.ACTION_REQUIRED}
        and snapshot.stripe_charge_id == payment.stripe_charge_id
    )


def _is_another(payment: Payment, snapshot: PaymentIntentSnapshot) -> Contradiction | None:
    if payment.stripe_payment_intent_id not in {None, snapshot.stripe_payment_intent_id}:
        return Contradiction.ANOTHER_PAYMENT_INTENT
    if snapshot.currency != payment.currency:
        return Contradiction.CURRENCY_DIFFERS
    if payment.stripe_payment_intent_id is None and took_more(payment, snapshot):
        return Contradiction.AMOUNT_DIFFERS
    if snapshot.trigger is PaymentTrigger.SUCCEEDED and snapshot.amount_received <= 0:
        return Contradiction.AMOUNT_DIFFERS
    return None


def _values_of_status(
    payment: Payment, status: PaymentStatus, snapshot: PaymentIntentSnapshot
) -> Mapping[str, Any]:
    """What the record of a payment says beside its ids once it has this status."""
    match status:
        case PaymentStatus.FAILED:
            return _failure(snapshot.decline or Decline())
        case PaymentStatus.SUCCEEDED:
            return {
                **_CLEARED,
                "status": status,
                "cancellation_reason": None,
                "amount_captured": snapshot.amount_received,
            }
        case PaymentStatus.AUTHORIZED:
            return {
                **_CLEARED,
                "status": status,
                # Of several captures, or after an increment, it is seen again.
                "amount_authorized": snapshot.amount_received + snapshot.amount_capturable,
                "amount_captured": snapshot.amount_received,
                "capture_before": snapshot.capture_before or payment.capture_before,
            }
        case PaymentStatus.REQUIRES_ACTION:
            return {**_CLEARED, "action_url": snapshot.action_url, "status": status}
        case PaymentStatus.CANCELED:
            return {
                **_CLEARED,
                "status": status,
                "cancellation_reason": snapshot.cancellation_reason or payment.cancellation_reason,
                "amount_captured": snapshot.amount_received,
            }
        case _:
            return {**_CLEARED, "status": status}


def fail_payment(payment: Payment, decline: Decline) -> Payment:
    """The payment as failed for Stripe's reason, in the catalogue's words. The version is the caller's to raise."""
    return replace(payment, **_failure(decline))


def _failure(decline: Decline) -> Mapping[str, Any]:
    return {
        "action_url": None,
        "status": PaymentStatus.FAILED,
        "failure_reason": failure_reason(decline.error_code, decline.decline_code).value,
        "decline_code": decline.decline_code or decline.error_code,
        "advice_code": decline.advice_code,
    }


def retry_payment(payment: Payment) -> Payment:
    """The payment once a retry is requested."""
    return replace(
        payment,
        **_CLEARED,
        status=payments.next_status(payment.status, PaymentTrigger.RETRIED),
        retries=payment.retries + 1,
        version=payment.version + 1,
    )
