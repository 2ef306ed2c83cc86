"""Hearing of a charge: a reason to look at its payment, and how fee and net become known."""

from collections.abc import Mapping
from typing import Any

from payment_worker.domain.balance_transaction import Booking
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.context import World
from payment_worker.flows.events.payment_intent import FOREIGN, catch_up
from payment_worker.flows.events.result import Heard, Later, over, unfetched
from payment_worker.flows.transitions.ownership import owner
from payment_worker.flows.transitions.payments import UNDECIDED
from payment_worker.gateway.client import fetch_booking
from payment_worker.gateway.parsing import id_of
from payment_worker.store import payments
from payment_worker.store.inbox import EventStatus, InboxEvent


def handle_charge(world: World, event: InboxEvent, about: Mapping[str, Any]) -> Heard | Later:
    """Settle news of a charge. Its snapshot is not believed: what it says of the payment is fetched."""
    intent = id_of(about.get("payment_intent"))
    named = (about.get("metadata") or {}).get("payment_id")
    with world.database.begin() as connection:
        payment_id = owner(connection, payment_intent=intent, named=named, account=event.stripe_account)
        payment = payments.find(connection, payment_id) if payment_id else None
        if payment is None or intent is None:
            return over(world, connection, event, EventStatus.IGNORED, FOREIGN)
        transaction = id_of(about.get("balance_transaction"))
        if transaction and payments.is_booked(connection, payment.payment_id):
            transaction = None
        if not transaction and not _may_be_news(payment, event.type):
            return over(world, connection, event, EventStatus.PROCESSED, "nothing new")
    if _may_be_news(payment, event.type):
        later = catch_up(world, payment.payment_id, intent, because=f"event {event.type}")
        if later is not None:
            return later
    return _book(world, event, payment, transaction)


def _may_be_news(payment: Payment, event_type: str) -> bool:
    return payment.status in UNDECIDED or (
        payment.status is PaymentStatus.FAILED and event_type == "charge.succeeded"
    )


def _book(world: World, event: InboxEvent, payment: Payment, transaction: str | None) -> Heard | Later:
    booking = (
        fetch_booking(world.stripe, transaction, account=payment.stripe_account) if transaction else None
    )
    if transaction and not isinstance(booking, Booking):
        return unfetched("the balance transaction", booking)
    with world.database.begin() as connection:
        if not isinstance(booking, Booking):
            return over(world, connection, event, EventStatus.PROCESSED, "the payment was looked at")
        noted = payments.booked(payment.payment_id, booking, now=world.clock())
        return over(world, connection, event, EventStatus.PROCESSED, "fee and net are known", writes=[noted])
