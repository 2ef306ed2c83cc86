"""Hearing of a dispute: recorded, told, and a reason to refuse refunds while the bank holds the money."""

from typing import Final

from payment_worker.domain.disputing import DisputeKnown, DisputeMoved, DisputeSeen, MoneyNotSeen
from payment_worker.flows.hear_payment import FOREIGN, catch_up, owner_of_intent
from payment_worker.flows.heard import Heard, Later, ignore, over
from payment_worker.flows.settle_dispute import settle_dispute
from payment_worker.flows.world import World
from payment_worker.store.events import EventStatus, InboxEvent

NOT_YET: Final = "the payment does not show the disputed money yet"


def hear_dispute(world: World, event: InboxEvent, seen: DisputeSeen) -> Heard | Later:
    """Settle news of a dispute. Its states only move forward, so no snapshot of it is too old to be heard."""
    intent = seen.stripe_payment_intent_id
    payment_id = owner_of_intent(world, intent, account=event.stripe_account or None)
    if isinstance(payment_id, Later):
        return payment_id
    if payment_id is None or intent is None:
        return ignore(world, event, FOREIGN)
    cause = world.because(f"event {event.type}", event_id=event.event_id)
    for _ in range(2):
        with world.database.begin() as connection:
            verdict, writes = settle_dispute(world, connection, payment_id, seen, cause=cause)
            match verdict:
                case DisputeMoved():
                    return over(world, connection, event, EventStatus.SETTLED, "news", writes=writes)
                case DisputeKnown():
                    return over(world, connection, event, EventStatus.SETTLED, "nothing new")
                case MoneyNotSeen():
                    pass
        later = catch_up(world, payment_id, intent, because=f"event {event.type}")
        if later is not None:
            return later
    return Later(NOT_YET)
