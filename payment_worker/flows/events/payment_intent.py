"""Hearing of a PaymentIntent."""

from typing import Final
from uuid import UUID

from payment_worker.domain.outcome import Postponed, Shown, Unanswered
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions import Advanced, Contradicted, Stale, Unchanged
from payment_worker.flows.context import World
from payment_worker.flows.events.result import Heard, Later, over, unfetched
from payment_worker.flows.transitions.contradictions import payment_contradicted, second_contradicted
from payment_worker.flows.transitions.ownership import owner
from payment_worker.flows.transitions.payments import apply_payment_intent
from payment_worker.store import payments
from payment_worker.store.database import Connection
from payment_worker.store.inbox import EventStatus, InboxEvent
from payment_worker.store.statements import write

MOST_LOOKS: Final = 3
"""Times that a payment may change while it is being fetched before the event waits its turn."""

FOREIGN: Final = "not one of our payments"
SECOND: Final = "names a payment of ours that is another PaymentIntent"


def handle_payment(
    world: World,
    event: InboxEvent,
    *,
    payment_intent: str,
    named: object,
    snapshot: PaymentIntentSnapshot | None,
) -> Heard | Later:
    """Settle news of a PaymentIntent.

    Args:
        named: what the object's metadata calls our payment.
        snapshot: the event's own, where it cannot be out of date; else it is fetched.
    """
    seen = snapshot
    for _ in range(MOST_LOOKS):
        if seen is None:
            with world.database.begin() as connection:
                payment_id = owner(
                    connection, payment_intent=payment_intent, named=named, account=event.stripe_account
                )
                if payment_id is None:
                    return _foreign(world, connection, event, payment_intent, named=named)
            fetched = fetch(world, payment_id, payment_intent)
            if isinstance(fetched, Later):
                return fetched
            seen = fetched
        settled = _settle(world, event, seen, named=named)
        if settled is not None:
            return settled
        seen = None
    return Later("overtaken by other news")


def owner_of_intent(world: World, payment_intent: str | None, *, account: str | None) -> UUID | Later | None:
    """Whose PaymentIntent it is; where that is not known and it may be ours all the same, Stripe is asked."""
    if payment_intent is None:
        return None
    with world.database.begin() as connection:
        if known := owner(connection, payment_intent=payment_intent, named=None, account=account):
            return known
    sighting = world.stripe.payment_intent(payment_intent, account=account)
    match sighting:
        case Unanswered() | Postponed():
            # Who knows whose it is: an event that is ours may not be ignored.
            return unfetched("the PaymentIntent", sighting)
        case Shown(PaymentIntentSnapshot(payment_id=named)):
            with world.database.begin() as connection:
                return owner(connection, payment_intent=payment_intent, named=named, account=account)
        case _:
            return None


def fetch(world: World, payment_id: UUID, payment_intent: str) -> PaymentIntentSnapshot | Later:
    """The PaymentIntent as it is now, on the basis of what our row says now."""
    with world.database.begin() as connection:
        payment = payments.find(connection, payment_id)
    if payment is None:
        return Later("its payment is not there")
    sighting = world.stripe.payment_intent(payment_intent, account=payment.stripe_account)
    if isinstance(sighting, Shown) and isinstance(sighting.seen, PaymentIntentSnapshot):
        return sighting.seen.as_of(payment.version)
    return unfetched("the PaymentIntent", sighting)


def _settle(world: World, event: InboxEvent, seen: PaymentIntentSnapshot, *, named: object) -> Heard | None:
    """Find whose it is, settle it and mark the event in one transaction; None if it must be fetched again."""
    cause = world.because(f"event {event.type}", event_id=event.event_id)
    with world.database.begin() as connection:
        payment_id = owner(
            connection,
            payment_intent=seen.stripe_payment_intent_id,
            named=named,
            account=event.stripe_account,
        )
        payment = payments.lock(connection, payment_id) if payment_id else None
        if payment is None:
            return _foreign(world, connection, event, seen.stripe_payment_intent_id, named=named)
        verdict, writes = apply_payment_intent(payment, seen, cause=cause, now=world.clock())
        match verdict:
            case Advanced():
                return over(world, connection, event, EventStatus.PROCESSED, "news", writes=writes)
            case Unchanged():
                return over(world, connection, event, EventStatus.PROCESSED, "nothing new")
            case Contradicted(contradiction):
                payment_contradicted(world, connection, payment, seen)
                return over(world, connection, event, EventStatus.PARKED, contradiction)
            case Stale():
                return None


def _foreign(
    world: World, connection: Connection, event: InboxEvent, payment_intent: str, *, named: object
) -> Heard:
    is_second = second_contradicted(
        world, connection, payment_intent, named=named, account=event.stripe_account
    )
    return over(world, connection, event, EventStatus.IGNORED, SECOND if is_second else FOREIGN)


def catch_up(world: World, payment_id: UUID, payment_intent: str, *, because: str) -> Later | None:
    """Fetch a PaymentIntent and settle it, so that other news may build on it; None once that is done."""
    seen = fetch(world, payment_id, payment_intent)
    if isinstance(seen, Later):
        return seen
    with world.database.begin() as connection:
        payment = payments.lock(connection, payment_id)
        if payment is None:
            return Later("its payment is not there")
        verdict, writes = apply_payment_intent(payment, seen, cause=world.because(because), now=world.clock())
        write(connection, writes)
    return None if isinstance(verdict, Advanced | Unchanged) else Later("the PaymentIntent was not settled")
