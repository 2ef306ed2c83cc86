"""Handles events of charges: refreshes their PaymentIntent, and records fee and net, or every Refund."""

from payment_worker.domain.attempts.outcome import Absent
from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import apply
from payment_worker.flows.events.event_object import EventObject
from payment_worker.flows.events.fetch import unavailable
from payment_worker.flows.events.result import Deferred, Processed, Reason, Result
from payment_worker.flows.transitions.payments import WITHOUT_OUTCOME
from payment_worker.flows.transitions.refresh import ObjectKind, target_of
from payment_worker.gateway.client import Unreadable, fetch_balance_transaction
from payment_worker.gateway.fields import amount, id_of
from payment_worker.gateway.parsing import parses
from payment_worker.store.records import payments
from payment_worker.store.statements import write

UNCHANGED = Processed(Reason.UNCHANGED)


def handle_charge(context: Context, charge: EventObject, payment: Payment) -> Result:
    """Refresh the PaymentIntent of a charge, whose own snapshot says too little, and record fee and net."""
    result: Result = UNCHANGED
    if may_show_more(payment, charge):
        result = _refresh(context, charge, payment)
    transaction = balance_transaction_of(charge)
    if transaction is None or not isinstance(result, Processed):
        return result
    return _record_balance_transaction(context, charge, payment, transaction, result)


def may_show_more(payment: Payment, charge: EventObject) -> bool:
    """Whether the payment of a charge may have another status than we recorded."""
    if payment.status in WITHOUT_OUTCOME:
        return True
    if payment.status is PaymentStatus.FAILED and charge.event.type == "charge.succeeded":
        return True
    is_paid = charge.fields.get("status") == "succeeded" and charge.fields.get("captured")
    return bool(is_paid) and payment.status is not PaymentStatus.SUCCEEDED


@parses()
def balance_transaction_of(charge: EventObject) -> str | None:
    """The id of a charge's balance transaction, once Stripe has made it.

    Raises:
        UnreadableError: it is no id.
    """
    return id_of(charge.fields.get("balance_transaction"))


def _refresh(context: Context, charge: EventObject, payment: Payment) -> Result:
    target = target_of(ObjectKind.PAYMENT_INTENT, charge.payment_intent, payment)
    return apply(context, charge.event, target)


def _record_balance_transaction(
    context: Context, charge: EventObject, payment: Payment, transaction_id: str, result: Processed
) -> Result:
    with context.database.begin() as connection:
        if payments.has_balance_transaction(connection, payment.payment_id):
            return result
    fetched = fetch_balance_transaction(context.stripe, transaction_id, account=charge.account)
    match fetched:
        case BalanceTransaction():
            row = payments.with_balance_transaction(payment.payment_id, fetched, now=context.clock())
            with context.database.begin() as connection:
                write(connection, [row])
            return result if result.reason is Reason.CONTRADICTED else Processed(Reason.CHANGED)
        case Absent():
            return result
        case Unreadable():
            return Deferred(Reason.UNREADABLE)
        case _:
            return unavailable(context, charge.event, fetched)


@parses()
def may_refund_more(payment: Payment, charge: EventObject) -> bool:
    """Whether more of a charge is refunded than we know.

    Raises:
        UnreadableError: it does not say how much is.
    """
    return amount(charge.fields.get("amount_refunded")) > payment.amount_refunded


def handle_refunded_charge(context: Context, charge: EventObject, payment: Payment) -> Result:
    """Apply every Refund of a charge, which says how much of it is refunded but not by which."""
    if not may_refund_more(payment, charge):
        return UNCHANGED
    refreshed: Result = UNCHANGED
    if payment.status is not PaymentStatus.SUCCEEDED:
        refreshed = _refresh(context, charge, payment)
        if not isinstance(refreshed, Processed) or refreshed.reason is Reason.CONTRADICTED:
            return refreshed
    snapshots = context.stripe.refunds_of(charge.payment_intent, account=charge.account)
    if not isinstance(snapshots, list):
        return unavailable(context, charge.event, snapshots)
    kind = ObjectKind.REFUND
    results = [
        apply(context, charge.event, target_of(kind, refund.stripe_refund_id, payment), refund)
        for refund in snapshots
    ]
    return max([refreshed, *results], key=_precedence)


def _precedence(result: Result) -> tuple[bool, bool, bool]:
    """How much it says of several results together: what waits, then what contradicts, then what changed."""
    return (
        isinstance(result, Deferred),
        result.reason is Reason.CONTRADICTED,
        result.reason is Reason.CHANGED,
    )
