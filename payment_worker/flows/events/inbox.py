"""Events in: stored first, then processed under a lease, whatever became of whoever stored them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from payment_worker.domain.backoff import next_round
from payment_worker.domain.outcome import Delay
from payment_worker.flows.context import Policy, World
from payment_worker.flows.events.dispatch import hear
from payment_worker.flows.events.result import Heard, Later, over
from payment_worker.gateway.webhook import Event
from payment_worker.store import inbox
from payment_worker.store.database import Database, DatabaseUnavailableError
from payment_worker.store.inbox import Arrival, EventStatus, InboxEvent
from payment_worker.store.statements import write
from payment_worker.telemetry import about, logger
from payment_worker.telemetry.exceptions import described
from payment_worker.telemetry.metrics import EVENTS, label
from payment_worker.telemetry.recorder import count

log = logger(__name__)

MOST_TRIES: Final = 12
"""With doubling delays up to 15 minutes that is half an hour, and a quarter of it more or less by the dice: what
could not be processed for so long, though Stripe could be asked, needs a person."""


class Receives(Protocol):
    """What storing an event takes: a `World`, or as much of one as a receiver of webhooks has."""

    @property
    def database(self) -> Database:
        """Where events are kept."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """Now, aware."""

    @property
    def policy(self) -> Policy:
        """How long a lease is."""


def receive(world: Receives, event: Event, *, source: str) -> InboxEvent | None:
    """Store an event; None when it is stored already. Once this returns, nothing can lose it."""
    return receive_all(world, [event], source=source)[0]


def receive_all(world: Receives, events_in: Sequence[Event], *, source: str) -> list[InboxEvent | None]:
    """Store events, all or none of them; None in the place of each that is stored already."""
    now = world.clock()
    arrivals = [arrival(event) for event in events_in]
    with world.database.begin() as connection:
        new = inbox.keep(connection, arrivals, source=source, now=now, leased_until=now + world.policy.lease)
    return [_if_new(each.event, new) for each in arrivals]


def arrival(event: Event) -> Arrival:
    """The event as it is stored, leased to whoever stores it."""
    stored = InboxEvent(
        stripe_account=event.stripe_account,
        event_id=event.event_id,
        type=event.type,
        api_version=event.api_version,
        livemode=event.livemode,
        payload=event.payload,
        tries=0,
        lease_token=1,
    )
    return Arrival(event=stored, object_id=event.object_id, created_at=event.created_at)


def _if_new(event: InboxEvent, new: set[tuple[str, str]]) -> InboxEvent | None:
    key = (event.stripe_account, event.event_id)
    if key not in new:
        return None
    new.remove(key)  # the same event twice in one batch is new once
    return event


def process_claimed(
    world: World, *, stripe_account: str, event_id: str, lease_token: int
) -> EventStatus | None:
    """Settle an event that was handed out under this token; None where the token is not valid any more."""
    with world.database.begin() as connection:
        owned = inbox.owned(
            connection, stripe_account=stripe_account, event_id=event_id, lease_token=lease_token
        )
        if owned is None:
            return None
        event, received_at = owned
        if event.tries >= MOST_TRIES:
            # The last of them ended with its worker's death: nobody was left to park it.
            return over(world, connection, event, EventStatus.PARKED, "workers die of it").status
        if world.clock() - received_at > world.policy.lease:
            # Not its first try: somebody may have died of it before, and somebody may now.
            write(connection, [inbox.begun(event)])
    return process_event(world, event)


def process_event(world: World, event: InboxEvent) -> EventStatus:
    """Settle an event that is ours; retried later with growing delay, and parked when that does not help."""
    with about(event_id=event.event_id):
        heard = _heard(world, event)
        if isinstance(heard, Later):
            return _put_off(world, event, heard)
        log.info("event is over", event_id=event.event_id, type=event.type, outcome=heard.status)
    count(EVENTS, label(heard.status))
    world.ring()
    return heard.status


def _heard(world: World, event: InboxEvent) -> Heard | Later:
    try:
        return hear(world, event)
    except DatabaseUnavailableError:
        raise
    except Exception as bug:  # noqa: BLE001 - counted as any other failure, so that it ends parked, and seen
        because = f"it broke: {described(bug)}"
        log.error("event broke", event_id=event.event_id, type=event.type, because=because)  # noqa: TRY400 - its text
        return Later(because)


def _put_off(world: World, event: InboxEvent, later: Later) -> EventStatus:
    now, because = world.clock(), later.because
    # While Stripe is down, or does not let us ask, nothing can be fetched, which says nothing against the event.
    waits = later.delay is not None or world.stripe.is_down(account=event.stripe_account or None)
    tries, delay = next_round(event.tries, Delay.NO_TURN if waits else because, dice=world.dice())
    parked = tries >= MOST_TRIES
    with world.database.begin() as connection:
        if parked:
            write(connection, [inbox.finished(event, status=EventStatus.PARKED, outcome=because, now=now)])
        else:
            write(
                connection, [inbox.put_off(event, outcome=because, tries=tries, next_action_at=now + delay)]
            )
    count(EVENTS, label(EventStatus.PARKED if parked else EventStatus.RECEIVED))
    log.warning("event is put off", event_id=event.event_id, type=event.type, because=because, parked=parked)
    return EventStatus.PARKED if parked else EventStatus.RECEIVED
