"""Retries a declined charge: confirms its PaymentIntent again under a new key, on request or by policy."""

from uuid import NAMESPACE_OID, UUID, uuid5

from payment_worker.contracts.requests import RetryChargeRequest
from payment_worker.domain.attempts.attempt import Action
from payment_worker.domain.eligibility import Done, Proceed, Reject, RejectionReason, decide_retry
from payment_worker.domain.payment import Payment
from payment_worker.domain.transitions.payments import retry_payment
from payment_worker.flows.commands.modify import Busy, Change, Wanted, ask_for
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, NoSuchPayment
from payment_worker.gateway.requests import retry_request
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import automatic_retries, payments, stripe_requests
from payment_worker.store.records.stripe_requests import StripeRequest


def retry_charge(
    context: Context, request: RetryChargeRequest, *, message_id: UUID
) -> CommandResult | NoSuchPayment | Busy:
    """Retry a declined payment, once per message; rejected while any attempt has no outcome."""
    return ask_for(context, _retry_change(context, request, message_id=message_id), wait_if_busy=False)


def _retry_change(
    context: Context, request: RetryChargeRequest, *, message_id: UUID, is_ours: bool = False
) -> Change:

    def decide(connection: Connection, payment: Payment) -> Wanted | Done | Reject:
        last_confirmation = stripe_requests.last_confirmation(connection, payment.payment_id)
        last_method = last_confirmation.get("payment_method")
        method = request.payment_method or last_method
        if method is None:
            return Reject(RejectionReason.DECLINED_FOR_GOOD)  # what a confirmation token held is used up
        policy = context.policy.retries
        if is_ours and payment.retries >= policy.automatic:
            return Reject(RejectionReason.TOO_MANY_RETRIES)
        since = context.clock() - policy.period
        decision = decide_retry(
            payment,
            same_method=method == last_method,
            retries_in_period=automatic_retries.retries_since(connection, payment.payment_id, since=since),
            policy=policy,
        )
        if not isinstance(decision, Proceed):
            return decision
        intent = payment.payment_intent
        stripe_request = retry_request(
            stripe_payment_intent_id=intent, payment_method=method, last_confirmation=last_confirmation
        )
        return Wanted(stripe_request, retry_payment(payment))

    def is_same(_: Payment, stripe_request: StripeRequest) -> bool:
        return request.payment_method in {None, stripe_request.parameters["payment_method"]}

    return Change(
        action=Action.RETRY,
        payment_id=request.payment_id,
        message_id=message_id,
        arguments={} if request.payment_method is None else {"payment_method": request.payment_method},
        decide=decide,
        is_same=is_same,
        is_ours=is_ours,
    )


def retry_declined(context: Context, attempt_id: int) -> CommandResult | None:
    """Try the payment again that this attempt was declined for; None where nothing is to follow it any more."""
    with context.database.begin() as connection:
        payment_id = automatic_retries.payment_to_retry(connection, attempt_id)
    if payment_id is None:
        return None
    # The same id each time: however often it is enqueued, one retry follows an attempt.
    message_id = uuid5(NAMESPACE_OID, f"payment-worker:retry-after:{attempt_id}")
    request = RetryChargeRequest(payment_id=payment_id)
    result = ask_for(
        context, _retry_change(context, request, message_id=message_id, is_ours=True), wait_if_busy=True
    )
    if not isinstance(result, CommandResult):
        return None  # enqueued again
    with context.database.begin() as connection:
        payments.lock(connection, payment_id)
        if automatic_retries.payment_to_retry(connection, attempt_id):
            automatic_retries.cancel_retries(connection, payment_id)
    return result
