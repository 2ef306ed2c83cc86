"""Handles events of early fraud warnings."""

from payment_worker.domain.payment import Payment
from payment_worker.flows.context import Context
from payment_worker.flows.events.event_object import EventObject
from payment_worker.flows.events.result import Processed, Reason, Result
from payment_worker.flows.transitions.early_fraud_warnings import record_warning
from payment_worker.gateway.parsing import early_fraud_warning_of


def handle_early_fraud_warning(context: Context, event_object: EventObject, payment: Payment) -> Result:
    """Record the warning as the event shows it: its shape is the same in every API version."""
    warning = early_fraud_warning_of(event_object.fields)
    with context.database.begin() as connection:
        is_new = record_warning(context, connection, payment, warning)
    return Processed(Reason.CHANGED if is_new else Reason.UNCHANGED)
