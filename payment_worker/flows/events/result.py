"""What hearing an event can come to, and who its objects belong to."""

from dataclasses import dataclass
from uuid import UUID

from payment_worker.domain.outcome import Delay, Postponed
from payment_worker.flows.context import World
from payment_worker.flows.transitions.payments import Writes
from payment_worker.store import inbox, payments
from payment_worker.store.database import Connection
from payment_worker.store.inbox import EventStatus, InboxEvent
from payment_worker.store.statements import write
from payment_worker.telemetry import learned


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


def owner(
    connection: Connection, *, payment_intent: str | None, named: object, account: str | None
) -> UUID | None:
    """Whose payment an object belongs to: by its PaymentIntent, or by the id that its metadata names.

    Args:
        account: the connected account that the object is on. Whoever has that account may write metadata there, so
            that a name counts only for a payment that is on it too.
    """
    payment_id = _owner(connection, payment_intent, as_uuid(named), account or None)
    learned(payment_id=payment_id)
    return payment_id


def _owner(
    connection: Connection, payment_intent: str | None, named: UUID | None, account: str | None
) -> UUID | None:
    if payment_intent and (known := payments.id_by_payment_intent(connection, payment_intent)):
        return known
    payment = payments.find(connection, named) if named else None
    if payment is None or payment.stripe_account != account:
        return None
    if payment.stripe_payment_intent_id not in {None, payment_intent}:
        return None
    return payment.payment_id


def as_uuid(value: object) -> UUID | None:
    """The UUID that a text is, or None: metadata is anybody's to write."""
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None
