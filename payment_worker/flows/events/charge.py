"""Handles events of charges: refreshes their PaymentIntent, and records fee and net."""

from payment_worker.domain.attempts.outcome import Absent
from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import apply, unavailable
from payment_worker.flows.events.result import Deferred, Processed, Reason, Result
from payment_worker.flows.events.subjects import About
from payment_worker.flows.transitions.payments import WITHOUT_OUTCOME
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.gateway.client import Unreadable, fetch_balance_transaction
from payment_worker.gateway.fields import id_of
from payment_worker.store.events.inbox import InboxEvent
from payment_worker.store.records import payments
from payment_worker.store.statements import write


def handle_charge(context: Context, event: InboxEvent, payment: Payment, about: About, intent: str) -> Result:
    """Refresh the PaymentIntent of a charge, whose own snapshot says too little, and record fee and net."""
    result: Result = Processed(Reason.UNCHANGED)
    if may_show_more(payment, event.type, about):
        result = apply(context, event, payment, ObjectKind.PAYMENT_INTENT, intent)
    transaction = id_of(about.get("balance_transaction"))
    if transaction is None or not isinstance(result, Processed):
        return result
    return _book(context, payment, transaction, result)


def may_show_more(payment: Payment, event_type: str, about: About) -> bool:
    """Whether the payment of a charge may have another status than we recorded."""
    if payment.status in WITHOUT_OUTCOME:
        return True
    if payment.status is PaymentStatus.FAILED and event_type == "charge.succeeded":
        return True
    is_paid = about.get("status") == "succeeded" and about.get("captured")
    return bool(is_paid) and payment.status is not PaymentStatus.SUCCEEDED


def _book(context: Context, payment: Payment, transaction: str, result: Processed) -> Result:
    with context.database.begin() as connection:
        if payments.has_balance_transaction(connection, payment.payment_id):
            return result
    balance_transaction = fetch_balance_transaction(
        context.stripe, transaction, account=payment.stripe_account
    )
    match balance_transaction:
        case BalanceTransaction():
            with context.database.begin() as connection:
                write(
                    connection,
                    [
                        payments.with_balance_transaction(
                            payment.payment_id, balance_transaction, now=context.clock()
                        )
                    ],
                )
            return result if result.reason is Reason.CONTRADICTED else Processed(Reason.CHANGED)
        case Absent():
            return result
        case Unreadable():
            return Deferred(Reason.UNREADABLE)
        case _:
            return unavailable(context, balance_transaction, account=payment.stripe_account)
