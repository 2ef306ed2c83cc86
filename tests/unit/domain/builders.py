"""Ordinary payments, refunds and snapshots of them; a test replaces what matters."""

from typing import Any, Final
from uuid import UUID

from payment_worker.domain.payment import Payment, PaymentStatus, PaymentTrigger
from payment_worker.domain.refund import Refund, RefundStatus, RefundTrigger
from payment_worker.domain.snapshots import PaymentIntentSnapshot, RefundSnapshot

OURS: Final = UUID("00000000-0000-4000-8000-000000000001")


def a_payment(status: PaymentStatus = PaymentStatus.SUCCEEDED, **changes: Any) -> Payment:  # noqa: ANN401 - any field
    ordinary: dict[str, Any] = {
        "payment_id": OURS,
        "order_id": str(OURS),
        "customer_id": None,
        "version": 1,
        "status": status,
        "amount": 1000,
        "currency": "EUR",
        "amount_captured": 1000 if status is PaymentStatus.SUCCEEDED else 0,
        "stripe_payment_intent_id": "pi_1",
    }
    return Payment(**ordinary | changes)


def a_snapshot(
    trigger: PaymentTrigger | None = PaymentTrigger.SUCCEEDED,
    **changes: Any,  # noqa: ANN401 - any field
) -> PaymentIntentSnapshot:
    ordinary: dict[str, Any] = {
        "stripe_payment_intent_id": "pi_1",
        "trigger": trigger,
        "amount": 1000,
        "currency": "EUR",
        "amount_received": 1000 if trigger is PaymentTrigger.SUCCEEDED else 0,
        "as_of_version": 1,
    }
    return PaymentIntentSnapshot(**ordinary | changes)


def a_refund(status: RefundStatus = RefundStatus.PROCESSED, **changes: Any) -> Refund:  # noqa: ANN401 - any field
    ordinary: dict[str, Any] = {
        "refund_id": OURS,
        "payment_id": OURS,
        "version": 1,
        "status": status,
        "amount": 100,
        "currency": "EUR",
        "stripe_refund_id": "re_1",
    }
    return Refund(**ordinary | changes)


def a_refund_snapshot(trigger: RefundTrigger = RefundTrigger.SUCCEEDED, **changes: Any) -> RefundSnapshot:  # noqa: ANN401
    ordinary: dict[str, Any] = {
        "stripe_refund_id": "re_1",
        "trigger": trigger,
        "amount": 100,
        "currency": "EUR",
    }
    return RefundSnapshot(**ordinary | changes)
