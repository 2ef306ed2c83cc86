"""Records early fraud warnings, and publishes each once."""

from datetime import datetime
from uuid import uuid5

from payment_worker.contracts import messages
from payment_worker.domain.early_fraud_warning import EarlyFraudWarning
from payment_worker.domain.payment import Payment
from payment_worker.flows.context import Context
from payment_worker.store.connection.database import Connection
from payment_worker.store.outbox import message_row
from payment_worker.store.records import early_fraud_warnings, payments
from payment_worker.store.statements import Row, write


def record_warning(
    context: Context, connection: Connection, payment: Payment, warning: EarlyFraudWarning
) -> bool:
    """Record a warning about this payment; whether that tells anything new.

    A warning only changes from actionable to not, so that a late snapshot of it changes nothing.
    """
    payments.lock(connection, payment.payment_id)
    now, stripe_id = context.clock(), warning.stripe_early_fraud_warning_id
    recorded = early_fraud_warnings.find(connection, stripe_id)
    if recorded is None:
        due_at = now if warning.is_actionable and context.policy.fraud_refund_within else None
        row = early_fraud_warnings.recorded(
            warning, payment_id=payment.payment_id, next_action_at=due_at, now=now
        )
        write(connection, [row, _message(payment, warning, now)])
        return True
    if recorded[0].is_actionable and not warning.is_actionable:
        write(connection, [early_fraud_warnings.changed(stripe_id, is_actionable=False, now=now)])
        return True
    return False


def _message(payment: Payment, warning: EarlyFraudWarning, now: datetime) -> Row:
    message = messages.PaymentSuspected(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        warning_id=warning.stripe_early_fraud_warning_id,
        fraud_type=warning.fraud_type,
        is_actionable=warning.is_actionable,
        processor_reference=warning.stripe_charge_id,
        suspected_at=warning.warned_at,
    )
    subject = uuid5(payment.payment_id, warning.stripe_early_fraud_warning_id)
    return message_row(
        message,
        payment_id=payment.payment_id,
        subject=subject,
        version=1,
        stripe_account=payment.stripe_account,
        now=now,
    )
