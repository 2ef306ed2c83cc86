"""Hearing of a dispute: recorded, told, and a reason to refuse refunds while the bank holds the money."""

from typing import Final

from payment_worker.domain.dispute import (
    DisputeKnown,
    DisputeMoved,
    DisputeSnapshot,
    EitherCameLast,
    MoneyNotSeen,
)
from payment_worker.flows.context import World
from payment_worker.flows.events.payment_intent import FOREIGN, catch_up, owner_of_intent
from payment_worker.flows.events.result import Heard, Later, ignore, over, unfetched
from payment_worker.flows.transitions.disputes import apply_dispute
from payment_worker.gateway.client import fetch_dispute
from payment_worker.store.inbox import EventStatus, InboxEvent

NOT_YET: Final = "the payment does not show the disputed money yet"
MOVED_MEANWHILE: Final = "the dispute moved on while it was looked at"


def handle_dispute(world: World, event: InboxEvent, seen: DisputeSnapshot) -> Heard | Later:
    """Settle news of a dispute. Its states only move forward, so no snapshot of it is too old to be heard.

    But for a loss and an appeal of it: what the dispute is now is fetched then.
    """
    intent = seen.stripe_payment_intent_id
    payment_id = owner_of_intent(world, intent, account=event.stripe_account or None)
    if isinstance(payment_id, Later):
        return payment_id
    if payment_id is None or intent is None:
        return ignore(world, event, FOREIGN)
    cause = world.because(f"event {event.type}", event_id=event.event_id)
    for _ in range(2):
        with world.database.begin() as connection:
            verdict, writes = apply_dispute(world, connection, payment_id, seen, cause=cause)
            match verdict:
                case DisputeMoved():
                    return over(world, connection, event, EventStatus.PROCESSED, "news", writes=writes)
                case DisputeKnown():
                    return over(world, connection, event, EventStatus.PROCESSED, "nothing new")
                case EitherCameLast() | MoneyNotSeen():
                    pass
        if isinstance(verdict, EitherCameLast):
            now = fetch_dispute(world.stripe, seen.stripe_dispute_id, account=event.stripe_account or None)
            if not isinstance(now, DisputeSnapshot):
                return unfetched("the dispute", now)
            seen = now.as_of(verdict.ours)
        elif later := catch_up(world, payment_id, intent, because=f"event {event.type}"):
            return later
    return Later(MOVED_MEANWHILE if isinstance(verdict, EitherCameLast) else NOT_YET)
