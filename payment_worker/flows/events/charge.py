"""Processes events of charges: reasons to look at their payment, and how fee and net become known."""

from collections.abc import Mapping
from typing import Any

from payment_worker.domain.balance_transaction import Booking
from payment_worker.domain.outcome import Absent
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.context import World
from payment_worker.flows.events.outcome import apply, unavailable
from payment_worker.flows.events.result import Deferred, Processed, Reason, Result
from payment_worker.flows.transitions.payments import UNDECIDED
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.gateway.client import Unreadable, fetch_booking
from payment_worker.gateway.parsing import id_of
from payment_worker.store import payments
from payment_worker.store.inbox import InboxEvent
from payment_worker.store.statements import write


def handle_charge(world: World, event: InboxEvent, payment: Payment, about: Mapping[str, Any]) -> Result:
    """Apply the PaymentIntent of a charge, whose own snapshot says too little, and note fee and net."""
    result: Result = Processed(Reason.UNCHANGED)
    if _may_tell_more(payment, event.type, about):
        intent = str(id_of(about["payment_intent"]))
        result = apply(world, event, payment, ObjectKind.PAYMENT_INTENT, intent)
    transaction = id_of(about.get("balance_transaction"))
    if transaction is None or not isinstance(result, Processed):
        return result
    return _book(world, payment, transaction, result)


def _may_tell_more(payment: Payment, event_type: str, about: Mapping[str, Any]) -> bool:
    """Whether the payment may be in another state than we know."""
    if payment.status in UNDECIDED:
        return True
    if payment.status is PaymentStatus.FAILED and event_type == "charge.succeeded":
        return True
    is_paid = about.get("status") == "succeeded" and about.get("captured")
    return bool(is_paid) and payment.status is not PaymentStatus.SUCCEEDED


def _book(world: World, payment: Payment, transaction: str, result: Processed) -> Result:
    with world.database.begin() as connection:
        if payments.is_booked(connection, payment.payment_id):
            return result
    booking = fetch_booking(world.stripe, transaction, account=payment.stripe_account)
    match booking:
        case Booking():
            with world.database.begin() as connection:
                write(connection, [payments.booked(payment.payment_id, booking, now=world.clock())])
            return result if result.reason is Reason.CONTRADICTED else Processed(Reason.CHANGED)
        case Absent():
            return result
        case Unreadable():
            return Deferred(Reason.UNREADABLE)
        case _:
            return unavailable(world, booking, account=payment.stripe_account)
