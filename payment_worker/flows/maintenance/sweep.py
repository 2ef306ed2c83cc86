"""Resuming: hands out what is due or orphaned, whatever Redis forgot. The rows know; messages only hint."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from payment_worker.flows.context import World
from payment_worker.flows.transitions.payments import UNDECIDED
from payment_worker.store import attempts, inbox, refunds
from payment_worker.store.attempts import HandedOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many rows of each kind one sweep may hand out."""

    attempts: int = 200
    events: int = 200
    waiting_refunds: int = 200


@dataclass(frozen=True, slots=True)
class Due:
    """What was given out: whoever gets the message about it claims it."""

    attempts: Sequence[HandedOut]
    events: Sequence[inbox.HandedOut]
    waiting_refunds: Sequence[UUID]


def hand_out_due(world: World, room: Room = Room()) -> Due:
    """Give out what is due. A message about it that gets lost costs one lease, no more; a late one is still good."""
    now = world.clock()
    until = now + world.policy.lease
    with world.database.begin() as connection:
        due_attempts = attempts.hand_out_due(connection, now=now, leased_until=until, limit=room.attempts)
    with world.database.begin() as connection:
        due_events = inbox.hand_out_due(connection, now=now, leased_until=until, limit=room.events)
    with world.database.begin() as connection:
        waiting = refunds.claim_waiting(
            connection, undecided=UNDECIDED, now=now, until=until, limit=room.waiting_refunds
        )
    return Due(due_attempts, due_events, waiting)
