"""Builds the data of each published message, in the form that the JSON Schemas in `schemas/` fix."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from payment_worker.contracts.envelope import MESSAGE_TYPES, SOURCE, MessageType, envelope, rfc3339, schema
from payment_worker.domain.attempts.declines import FailureReason

__all__ = [
    "MESSAGE_TYPES",
    "SOURCE",
    "MessageType",
    "dispute_closed",
    "dispute_opened",
    "envelope",
    "on_account",
    "payment_action_required",
    "payment_authorized",
    "payment_canceled",
    "payment_failed",
    "payment_requested",
    "payment_succeeded",
    "payment_suspected",
    "payout_failed",
    "payout_paid",
    "refund_failed",
    "refund_pending",
    "refund_processed",
    "refund_requested",
    "request_rejected",
    "schema",
]


def on_account(data: dict[str, object], stripe_account: str) -> dict[str, object]:
    """The data of a message about a payment on this account; of the default account, as they are."""
    return {**data, "stripeAccount": stripe_account} if stripe_account else data


def payment_requested(
    *,
    payment_id: UUID,
    order_id: str,
    amount: int,
    currency: str,
    requested_at: datetime,
    customer_id: str | None = None,
) -> dict[str, object]:
    """Data of `PaymentRequested`. Amount in minor units."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        customerId=customer_id,
        amount=amount,
        currency=currency,
        requestedAt=requested_at,
    )


def payment_authorized(
    *,
    payment_id: UUID,
    order_id: str,
    amount: int,
    currency: str,
    authorized_at: datetime,
    amount_captured: int | None = None,
    processor_reference: str | None = None,
    capture_before: datetime | None = None,
) -> dict[str, object]:
    """Data of `PaymentAuthorized`. Amount held, in minor units; the reference is Stripe's charge."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        amountCaptured=amount_captured,
        currency=currency,
        processorReference=processor_reference,
        authorizedAt=authorized_at,
        captureBefore=capture_before,
    )


def payment_action_required(
    *,
    payment_id: UUID,
    order_id: str,
    required_at: datetime,
    action_url: str | None = None,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `PaymentActionRequired`. The reference is Stripe's payment intent, never its client secret."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        actionUrl=action_url,
        processorReference=processor_reference,
        requiredAt=required_at,
    )


def payment_processing(
    *,
    payment_id: UUID,
    order_id: str,
    amount: int,
    currency: str,
    started_at: datetime,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `PaymentProcessing`. Amount asked for, in minor units; the reference is Stripe's payment intent."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        processorReference=processor_reference,
        startedAt=started_at,
    )


def payment_succeeded(
    *,
    payment_id: UUID,
    order_id: str,
    amount: int,
    currency: str,
    succeeded_at: datetime,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `PaymentSucceeded`. The captured amount in minor units; the reference is Stripe's charge."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        processorReference=processor_reference,
        succeededAt=succeeded_at,
    )


def payment_failed(
    *,
    payment_id: UUID,
    order_id: str,
    reason: FailureReason,
    failed_at: datetime,
    decline_code: str | None = None,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `PaymentFailed`. The decline code is Stripe's; the reference its payment intent."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        reason=reason,
        declineCode=decline_code,
        processorReference=processor_reference,
        failedAt=failed_at,
    )


def payment_canceled(
    *, payment_id: UUID, order_id: str, canceled_at: datetime, reason: str | None = None
) -> dict[str, object]:
    """Data of `PaymentCanceled`."""
    return _data(paymentId=payment_id, orderId=order_id, reason=reason, canceledAt=canceled_at)


def refund_requested(
    *,
    refund_id: UUID,
    payment_id: UUID,
    amount: int,
    currency: str,
    requested_at: datetime,
    order_id: str | None = None,
    reason: str | None = None,
) -> dict[str, object]:
    """Data of `RefundRequested`. Amount in minor units."""
    return _data(
        refundId=refund_id,
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        reason=reason,
        requestedAt=requested_at,
    )


def refund_pending(
    *,
    refund_id: UUID,
    payment_id: UUID,
    amount: int,
    currency: str,
    pending_since: datetime,
    order_id: str | None = None,
    reason: str | None = None,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `RefundPending`. Amount in minor units; the reason is Stripe's `pending_reason`."""
    return _data(
        refundId=refund_id,
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        reason=reason,
        processorReference=processor_reference,
        pendingSince=pending_since,
    )


def refund_processed(
    *,
    refund_id: UUID,
    payment_id: UUID,
    amount: int,
    currency: str,
    processed_at: datetime,
    order_id: str | None = None,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `RefundProcessed`. Amount in minor units; the reference is Stripe's refund."""
    return _data(
        refundId=refund_id,
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        processorReference=processor_reference,
        processedAt=processed_at,
    )


def refund_failed(
    *,
    refund_id: UUID,
    payment_id: UUID,
    amount: int,
    currency: str,
    reason: str,
    failed_at: datetime,
    order_id: str | None = None,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `RefundFailed`. Amount in minor units; the reason is Stripe's word or ours."""
    return _data(
        refundId=refund_id,
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        reason=reason,
        processorReference=processor_reference,
        failedAt=failed_at,
    )


def dispute_opened(
    *,
    dispute_id: str,
    payment_id: UUID,
    amount: int,
    currency: str,
    opened_at: datetime,
    order_id: str | None = None,
    reason: str | None = None,
    evidence_due_by: datetime | None = None,
) -> dict[str, object]:
    """Data of `DisputeOpened`. Amount in minor units; id and reason are Stripe's."""
    return _data(
        disputeId=dispute_id,
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        reason=reason,
        evidenceDueBy=evidence_due_by,
        openedAt=opened_at,
    )


def dispute_closed(
    *,
    dispute_id: str,
    payment_id: UUID,
    amount: int,
    currency: str,
    outcome: str,
    closed_at: datetime,
    order_id: str | None = None,
) -> dict[str, object]:
    """Data of `DisputeClosed`. Amount in minor units; the outcome is Stripe's status in upper case."""
    return _data(
        disputeId=dispute_id,
        paymentId=payment_id,
        orderId=order_id,
        amount=amount,
        currency=currency,
        outcome=outcome.upper(),
        closedAt=closed_at,
    )


def payment_suspected(
    *,
    payment_id: UUID,
    order_id: str,
    warning_id: str,
    fraud_type: str,
    is_actionable: bool,
    suspected_at: datetime,
    processor_reference: str | None = None,
) -> dict[str, object]:
    """Data of `PaymentSuspected`. Warning and type are Stripe's; the reference is its charge."""
    return _data(
        paymentId=payment_id,
        orderId=order_id,
        warningId=warning_id,
        fraudType=fraud_type,
        isActionable=is_actionable,
        processorReference=processor_reference,
        suspectedAt=suspected_at,
    )


def payout_paid(
    *,
    payout_id: str,
    amount: int,
    currency: str,
    arrival_date: date,
    paid_at: datetime,
    stripe_account: str | None = None,
) -> dict[str, object]:
    """Data of `PayoutPaid`. Amount in minor units; the account is the connected one, if it is not our own."""
    return _data(
        payoutId=payout_id,
        stripeAccount=stripe_account,
        amount=amount,
        currency=currency,
        arrivalDate=arrival_date.isoformat(),
        paidAt=paid_at,
    )


def payout_failed(
    *,
    payout_id: str,
    amount: int,
    currency: str,
    reason: str,
    failed_at: datetime,
    stripe_account: str | None = None,
) -> dict[str, object]:
    """Data of `PayoutFailed`. Amount in minor units; the reason is Stripe's failure code, or `canceled`."""
    return _data(
        payoutId=payout_id,
        stripeAccount=stripe_account,
        amount=amount,
        currency=currency,
        reason=reason,
        failedAt=failed_at,
    )


def request_rejected(
    *,
    request_id: UUID,
    task: str,
    errors: Sequence[Mapping[str, str]],
    rejected_at: datetime,
    payment_id: UUID | None = None,
    refund_id: UUID | None = None,
    order_id: str | None = None,
) -> dict[str, object]:
    """Data of `RequestRejected`. Of the arguments' values it holds ids and nothing else."""
    return _data(
        requestId=request_id,
        task=task,
        paymentId=payment_id,
        refundId=refund_id,
        orderId=order_id,
        errors=[{"field": error["field"], "message": error["message"]} for error in errors],
        rejectedAt=rejected_at,
    )


def _data(**fields: object) -> dict[str, object]:
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return rfc3339(value)
        case UUID() | FailureReason():
            return str(value)
        case _:
            return value
