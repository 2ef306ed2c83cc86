"""Resuming: hands out what is due or orphaned, whatever Redis forgot. The rows know; messages only hint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payment_worker.flows.world import World
from payment_worker.store import attempts, events, refunds
from payment_worker.store.attempts import HandedOut

BATCH: Final = 200
"""Rows of a kind that one sweep hands out: at the default interval 20 a second, on top of the ordinary work."""


@dataclass(frozen=True, slots=True)
class Due:
    """What was given out: whoever gets the message about it claims it."""

    attempts: Sequence[HandedOut]
    events: Sequence[tuple[str, str, int]]
    """Account, event id and lease token."""
    waiting_refunds: Sequence[UUID]


def hand_out_due(world: World) -> Due:
    """Give out what is due. A message about it that gets lost costs one lease, no more; a late one is still good."""
    now = world.clock()
    until = now + world.policy.lease
    with world.database.begin() as connection:
        due_attempts = attempts.hand_out_due(connection, now=now, leased_until=until, limit=BATCH)
    with world.database.begin() as connection:
        due_events = events.hand_out_due(connection, now=now, leased_until=until, limit=BATCH)
    with world.database.begin() as connection:
        waiting = refunds.claim_waiting(connection, now=now, until=until, limit=BATCH)
    return Due(due_attempts, due_events, waiting)
