"""Captures an authorised payment, in full or in part."""

from uuid import UUID

from payment_worker.contracts.requests import CaptureRequest
from payment_worker.domain.attempts.attempt import Action
from payment_worker.domain.eligibility import Done, Proceed, Reject, decide_capture
from payment_worker.domain.payment import Payment
from payment_worker.flows.commands.modify import Busy, Change, Wanted, ask_for
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, NoSuchPayment
from payment_worker.gateway.requests import capture_request
from payment_worker.store.connection.database import Connection
from payment_worker.store.records.stripe_requests import StripeRequest


def capture(
    context: Context, request: CaptureRequest, *, message_id: UUID, wait_if_busy: bool
) -> CommandResult | NoSuchPayment | Busy:
    """Capture a payment; a repeated request changes nothing."""

    def decide(_: Connection, payment: Payment) -> Wanted | Done | Reject:
        decision = decide_capture(payment, amount=request.amount)
        if not isinstance(decision, Proceed):
            return decision
        intent = payment.payment_intent
        return Wanted(
            capture_request(stripe_payment_intent_id=intent, amount=decision.amount, is_final=request.final),
            payment,
        )

    def is_same(payment: Payment, stripe_request: StripeRequest) -> bool:
        amount = request.amount or payment.amount_held or payment.amount_authorized
        is_final = stripe_request.parameters.get("final_capture", True)
        return bool(stripe_request.parameters["amount_to_capture"] == amount and is_final is request.final)

    change = Change(
        action=Action.CAPTURE,
        payment_id=request.payment_id,
        message_id=message_id,
        arguments=request.model_dump(include={"amount", "final"}, exclude_defaults=True),
        decide=decide,
        is_same=is_same,
    )
    return ask_for(context, change, wait_if_busy=wait_if_busy)
