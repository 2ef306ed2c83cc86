"""Builds the outbox rows that a change of status publishes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from payment_worker.contracts import messages
from payment_worker.contracts.messages import Message
from payment_worker.domain.attempts.declines import FailureReason
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import Refund, RefundStatus
from payment_worker.store.outbox import message_row
from payment_worker.store.statements import Row


def payment_message(payment: Payment, *, now: datetime) -> Row | None:
    """The message about the status that a payment has reached, if there is one."""
    message = _payment_data(payment, now)
    return _row(payment, message, subject=payment.payment_id, version=payment.version, now=now)


def refund_message(payment: Payment, refund: Refund, *, now: datetime) -> Row | None:
    """The message about the status that a refund has reached, if there is one."""
    message = _refund_data(payment, refund, now)
    return _row(payment, message, subject=refund.refund_id, version=refund.version, now=now)


def _row(
    payment: Payment, message: Message | None, *, subject: UUID, version: int, now: datetime
) -> Row | None:
    if message is None:
        return None
    return message_row(
        message,
        payment_id=payment.payment_id,
        subject=subject,
        version=version,
        stripe_account=payment.stripe_account,
        now=now,
    )


def _payment_data(payment: Payment, now: datetime) -> Message | None:
    build = _PAYMENT_DATA.get(payment.status)
    return build(payment, now) if build else None


def _requested(payment: Payment, now: datetime) -> Message:
    return messages.PaymentRequested(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        customer_id=payment.customer_id,
        amount=payment.amount,
        currency=payment.currency,
        requested_at=now,
    )


def _succeeded(payment: Payment, now: datetime) -> Message:
    return messages.PaymentSucceeded(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount_captured,
        currency=payment.currency,
        processor_reference=payment.stripe_charge_id,
        succeeded_at=now,
    )


def _failed(payment: Payment, now: datetime) -> Message:
    return messages.PaymentFailed(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        reason=FailureReason(str(payment.failure_reason)),
        decline_code=payment.decline_code,
        processor_reference=payment.stripe_payment_intent_id,
        failed_at=now,
    )


def _authorized(payment: Payment, now: datetime) -> Message:
    return messages.PaymentAuthorized(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount_held,
        amount_captured=payment.amount_captured or None,
        currency=payment.currency,
        processor_reference=payment.stripe_charge_id,
        authorized_at=now,
        capture_before=payment.capture_before,
    )


def _action_required(payment: Payment, now: datetime) -> Message:
    return messages.PaymentActionRequired(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        processor_reference=payment.stripe_payment_intent_id,
        required_at=now,
        action_url=payment.action_url,
    )


def _processing(payment: Payment, now: datetime) -> Message:
    return messages.PaymentProcessing(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount,
        currency=payment.currency,
        processor_reference=payment.stripe_payment_intent_id,
        started_at=now,
    )


def _canceled(payment: Payment, now: datetime) -> Message:
    return messages.PaymentCanceled(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        canceled_at=now,
        reason=payment.cancellation_reason,
    )


_PAYMENT_DATA: Mapping[PaymentStatus, Callable[[Payment, datetime], Message]] = {
    PaymentStatus.REQUESTED: _requested,
    PaymentStatus.PROCESSING: _processing,
    PaymentStatus.SUCCEEDED: _succeeded,
    PaymentStatus.FAILED: _failed,
    PaymentStatus.AUTHORIZED: _authorized,
    PaymentStatus.REQUIRES_ACTION: _action_required,
    PaymentStatus.CANCELED: _canceled,
}


def _refund_data(payment: Payment, refund: Refund, now: datetime) -> Message | None:
    fields: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "payment_id": refund.payment_id,
        "order_id": payment.order_id,
        "amount": refund.amount,
        "currency": refund.currency,
    }
    fields_with_reference = {**fields, "processor_reference": refund.stripe_refund_id}
    match refund.status:
        case RefundStatus.REQUESTED:
            return messages.RefundRequested(**fields, reason=refund.reason, requested_at=now)
        case RefundStatus.PENDING:
            return messages.RefundPending(
                **fields_with_reference, reason=refund.pending_reason, pending_since=now
            )
        case RefundStatus.PROCESSED:
            return messages.RefundProcessed(**fields_with_reference, processed_at=now)
        case RefundStatus.FAILED | RefundStatus.CANCELED:
            reason = refund.failure_reason or "canceled"
            return messages.RefundFailed(**fields_with_reference, reason=reason, failed_at=now)
        case _:
            return None
