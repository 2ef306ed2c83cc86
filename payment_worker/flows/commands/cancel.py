"""Cancels a payment that has not succeeded."""

from dataclasses import replace
from uuid import UUID

from payment_worker.contracts.requests import CancelRequest
from payment_worker.domain.attempts.attempt import Action
from payment_worker.domain.eligibility import Done, Proceed, Reject, decide_cancel
from payment_worker.domain.payment import Payment
from payment_worker.flows.commands.modify import Busy, Change, Wanted, ask_for
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, NoSuchPayment
from payment_worker.gateway.requests import cancel_request
from payment_worker.store.connection.database import Connection


def cancel(
    context: Context, request: CancelRequest, *, message_id: UUID, wait_if_busy: bool
) -> CommandResult | NoSuchPayment | Busy:
    """Cancel a payment; a repeated request changes nothing."""

    def decide(_: Connection, payment: Payment) -> Wanted | Done | Reject:
        decision = decide_cancel(payment)
        if not isinstance(decision, Proceed):
            return decision
        return cancellation(payment, request.reason)

    change = Change(
        action=Action.CANCEL,
        payment_id=request.payment_id,
        message_id=message_id,
        arguments={} if request.reason is None else {"reason": request.reason},
        decide=decide,
        is_same=lambda _payment, _stripe_request: True,
    )
    return ask_for(context, change, wait_if_busy=wait_if_busy)


def cancellation(payment: Payment, reason: str | None) -> Wanted:
    """What cancels a payment at Stripe for this reason."""
    request = cancel_request(stripe_payment_intent_id=payment.payment_intent, reason=reason)
    # Stored now, because the update that first shows the cancellation publishes the reason.
    if reason is None:
        return Wanted(request, payment)
    return Wanted(request, replace(payment, cancellation_reason=reason, version=payment.version + 1))
