"""Refunds payments with an early fraud warning, if the policy says so."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid5

from payment_worker.contracts.requests import RefundRequest
from payment_worker.domain.dispute import PUBLISHED
from payment_worker.domain.early_fraud_warning import WarningDecision, decide_warning
from payment_worker.domain.payment import Payment
from payment_worker.flows.commands.refund import refund
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import disputes, early_fraud_warnings, payments
from payment_worker.store.statements import write

AGAIN_AFTER: Final = timedelta(hours=1)
"""For a payment that has not succeeded yet: an authorisation that may be captured."""


def refund_suspected(context: Context, stripe_early_fraud_warning_id: str) -> CommandResult | None:
    """Refund what is left of the payment, as if an app had asked for it; None if the policy decides otherwise."""
    with context.database.begin() as connection:
        recorded = early_fraud_warnings.find(connection, stripe_early_fraud_warning_id)
        payment = recorded and payments.find(connection, recorded[1])
        if not recorded or not payment:
            return None
        decision = decide_warning(
            payment,
            recorded[0],
            is_disputed=_is_disputed(connection, payment),
            refund_within=context.policy.fraud_refund_within,
            now=context.clock(),
        )
    command_result = None
    if decision is WarningDecision.REFUND:
        result = refund(context, refund_request(payment, stripe_early_fraud_warning_id))
        command_result = result if isinstance(result, CommandResult) else None
    # Last, so that a worker that dies before this is followed by another: the refund's id is the same.
    now = context.clock()
    due_at = now + AGAIN_AFTER if decision is WarningDecision.WAIT else None
    with context.database.begin() as connection:
        update = early_fraud_warnings.changed(stripe_early_fraud_warning_id, next_action_at=due_at, now=now)
        write(connection, [update])
    return command_result


def refund_id_of(payment_id: UUID, stripe_early_fraud_warning_id: str) -> UUID:
    """The id of the refund that answers a warning."""
    return uuid5(payment_id, f"refund:{stripe_early_fraud_warning_id}")


def refund_request(payment: Payment, stripe_early_fraud_warning_id: str) -> RefundRequest:
    """The request for that refund. What was transferred to a connected account is taken back from it."""
    return RefundRequest(
        refund_id=refund_id_of(payment.payment_id, stripe_early_fraud_warning_id),
        payment_id=payment.payment_id,
        amount=None,
        reason="fraudulent",
        requested_by="fraud warning policy",
        note=stripe_early_fraud_warning_id,
        reverse_transfer=payment.transfer_destination is not None,
    )


def _is_disputed(connection: Connection, payment: Payment) -> bool:
    """Whether a dispute is or was open; an inquiry is none, and a refund ends it."""
    payment_disputes = disputes.of_payment(connection, payment.payment_id)
    return any(each.status in PUBLISHED for each in payment_disputes)
