"""What an event can come to."""

from dataclasses import dataclass

from payment_worker.domain.outcome import Delay, Postponed
from payment_worker.flows.context import World
from payment_worker.flows.transitions.payments import Writes
from payment_worker.store import inbox
from payment_worker.store.database import Connection
from payment_worker.store.inbox import EventStatus, InboxEvent
from payment_worker.store.statements import write


@dataclass(frozen=True, slots=True)
class Heard:
    """It is over, and its row says so."""

    status: EventStatus


@dataclass(frozen=True, slots=True)
class Later:
    """It cannot be processed now; nothing of it was written."""

    because: str
    delay: Delay | None = None
    """Why Stripe could not be asked, if that is all: it says nothing against the event."""


def unfetched(what: str, answer: object) -> Later:
    """Later, because Stripe answered this instead of what was asked for."""
    if isinstance(answer, Postponed):
        return Later(f"{what} could not be fetched: {answer.delay}", answer.delay)
    return Later(f"{what} could not be fetched")


def over(
    world: World,
    connection: Connection,
    event: InboxEvent,
    status: EventStatus,
    outcome: str,
    *,
    writes: Writes | None = None,
) -> Heard:
    """Write what the event changes and that it is over, in the transaction that is open."""
    ended = inbox.finished(event, status=status, outcome=outcome, now=world.clock())
    write(connection, [*(writes or []), ended])
    return Heard(status)


def ignore(world: World, event: InboxEvent, outcome: str) -> Heard:
    """Keep the event and do nothing about it."""
    with world.database.begin() as connection:
        return over(world, connection, event, EventStatus.IGNORED, outcome)
