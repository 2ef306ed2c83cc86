"""Ordinary payments, refunds and snapshots of them; a test replaces what matters."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from payment_worker.domain.attempts.attempt import Action, Attempt, AttemptStatus
from payment_worker.domain.payment import Payment, PaymentStatus, PaymentTrigger
from payment_worker.domain.refund import Refund, RefundStatus, RefundTrigger
from payment_worker.domain.retry_policy import RetryPolicy
from payment_worker.domain.snapshots import PaymentIntentSnapshot, RefundSnapshot

OURS: Final = UUID("00000000-0000-4000-8000-000000000001")
NOON: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)


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


def a_retry_policy(**changes: Any) -> RetryPolicy:  # noqa: ANN401 - any field
    ordinary: dict[str, Any] = {
        "automatic": 0,
        "first_delay": timedelta(days=1),
        "most": 20,
        "most_in_period": 14,
        "period": timedelta(days=30),
    }
    return RetryPolicy(**ordinary | changes)


def an_attempt(**changes: Any) -> Attempt:  # noqa: ANN401 - any field of an attempt
    ordinary: dict[str, Any] = {
        "attempt_id": 1,
        "payment_id": uuid4(),
        "refund_id": None,
        "number": 1,
        "action": Action.CHARGE,
        "path": "/v1/payment_intents",
        "parameters": "{}",
        "idempotency_key": "key",
        "status": AttemptStatus.OPEN,
        "unknown_reason": None,
        "first_sent_at": NOON,
        "sent_until": NOON,
        "tries": 0,
        "lease_token": 1,
        "leased_until": NOON + timedelta(minutes=1),
        "as_of_version": 1,
    }
    return Attempt(**ordinary | changes)
