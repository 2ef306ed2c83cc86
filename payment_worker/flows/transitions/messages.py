"""Builds the outbox rows that a change of status publishes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from payment_worker.contracts import messages
from payment_worker.domain.attempts.declines import FailureReason
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import Refund, RefundStatus
from payment_worker.store import outbox
from payment_worker.store.statements import Row

MessageData = tuple[str, dict[str, object]]


def payment_message(payment: Payment, *, now: datetime) -> Row | None:
    """The message about the status that a payment has reached, if there is one."""
    message = _payment_data(payment, now)
    return _row(payment, payment.payment_id, payment.version, message, now) if message else None


def refund_message(payment: Payment, refund: Refund, *, now: datetime) -> Row | None:
    """The message about the status that a refund has reached, if there is one."""
    message = _refund_data(payment, refund, now)
    return _row(payment, refund.refund_id, refund.version, message, now) if message else None


def _payment_data(payment: Payment, now: datetime) -> MessageData | None:
    build = _PAYMENT_DATA.get(payment.status)
    return build(payment, now) if build else None


def _requested(payment: Payment, now: datetime) -> MessageData:
    return "PaymentRequested", messages.payment_requested(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        customer_id=payment.customer_id,
        amount=payment.amount,
        currency=payment.currency,
        requested_at=now,
    )


def _succeeded(payment: Payment, now: datetime) -> MessageData:
    return "PaymentSucceeded", messages.payment_succeeded(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount_captured,
        currency=payment.currency,
        processor_reference=payment.stripe_charge_id,
        succeeded_at=now,
    )


def _failed(payment: Payment, now: datetime) -> MessageData:
    return "PaymentFailed", messages.payment_failed(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        reason=FailureReason(str(payment.failure_reason)),
        decline_code=payment.decline_code,
        processor_reference=payment.stripe_payment_intent_id,
        failed_at=now,
    )


def _authorized(payment: Payment, now: datetime) -> MessageData:
    return "PaymentAuthorized", messages.payment_authorized(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount_held,
        amount_captured=payment.amount_captured or None,
        currency=payment.currency,
        processor_reference=payment.stripe_charge_id,
        authorized_at=now,
        capture_before=payment.capture_before,
    )


def _action_required(payment: Payment, now: datetime) -> MessageData:
    return "PaymentActionRequired", messages.payment_action_required(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        processor_reference=payment.stripe_payment_intent_id,
        required_at=now,
        action_url=payment.action_url,
    )


def _processing(payment: Payment, now: datetime) -> MessageData:
    return "PaymentProcessing", messages.payment_processing(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount=payment.amount,
        currency=payment.currency,
        processor_reference=payment.stripe_payment_intent_id,
        started_at=now,
    )


def _canceled(payment: Payment, now: datetime) -> MessageData:
    return "PaymentCanceled", messages.payment_canceled(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        canceled_at=now,
        reason=payment.cancellation_reason,
    )


_PAYMENT_DATA: Mapping[PaymentStatus, Callable[[Payment, datetime], MessageData]] = {
    PaymentStatus.REQUESTED: _requested,
    PaymentStatus.PROCESSING: _processing,
    PaymentStatus.SUCCEEDED: _succeeded,
    PaymentStatus.FAILED: _failed,
    PaymentStatus.AUTHORIZED: _authorized,
    PaymentStatus.REQUIRES_ACTION: _action_required,
    PaymentStatus.CANCELED: _canceled,
}


def _refund_data(payment: Payment, refund: Refund, now: datetime) -> MessageData | None:
    match refund.status:
        case RefundStatus.REQUESTED:
            return "RefundRequested", messages.refund_requested(
                refund_id=refund.refund_id,
                payment_id=refund.payment_id,
                order_id=payment.order_id,
                amount=refund.amount,
                currency=refund.currency,
                reason=refund.reason,
                requested_at=now,
            )
        case RefundStatus.PENDING:
            return "RefundPending", messages.refund_pending(
                refund_id=refund.refund_id,
                payment_id=refund.payment_id,
                order_id=payment.order_id,
                amount=refund.amount,
                currency=refund.currency,
                reason=refund.pending_reason,
                processor_reference=refund.stripe_refund_id,
                pending_since=now,
            )
        case RefundStatus.PROCESSED:
            return "RefundProcessed", messages.refund_processed(
                refund_id=refund.refund_id,
                payment_id=refund.payment_id,
                order_id=payment.order_id,
                amount=refund.amount,
                currency=refund.currency,
                processor_reference=refund.stripe_refund_id,
                processed_at=now,
            )
        case RefundStatus.FAILED | RefundStatus.CANCELED:
            return "RefundFailed", messages.refund_failed(
                refund_id=refund.refund_id,
                payment_id=refund.payment_id,
                order_id=payment.order_id,
                amount=refund.amount,
                currency=refund.currency,
                reason=refund.failure_reason or "canceled",
                processor_reference=refund.stripe_refund_id,
                failed_at=now,
            )
        case _:
            return None


def _row(payment: Payment, subject: UUID, version: int, message: MessageData, now: datetime) -> Row:
    message_type, data = message
    data = messages.on_account(data, payment.stripe_account)
    identity = outbox.message_id(subject=subject, message_type=message_type, version=version)
    return outbox.message(
        payment_id=payment.payment_id, identity=identity, message_type=message_type, data=data, now=now
    )
