"""Events in: stored first, then processed under a lease, whatever became of whoever stored them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol, assert_never

from payment_worker.domain.backoff import next_round
from payment_worker.domain.outcome import Delay
from payment_worker.flows.context import Policy, World
from payment_worker.flows.events.dispatch import dispatch
from payment_worker.flows.events.result import Deferred, Ignored, Processed, Reason, Result
from payment_worker.gateway.webhook import Event
from payment_worker.store import inbox
from payment_worker.store.database import Database, DatabaseUnavailableError
from payment_worker.store.inbox import Arrival, EventStatus, InboxEvent
from payment_worker.store.statements import Write, write
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
    """Process an event that was handed out under this token; None where the token is not valid any more."""
    with world.database.begin() as connection:
        owned = inbox.owned(
            connection, stripe_account=stripe_account, event_id=event_id, lease_token=lease_token
        )
        if owned is None:
            return None
        event, received_at = owned
        if event.tries < MOST_TRIES and world.clock() - received_at > world.policy.lease:
            # Not its first try: somebody may have died of it before, and somebody may now.
            write(connection, [inbox.begun(event)])
    if event.tries >= MOST_TRIES:
        # The last of them ended with its worker's death: nobody was left to park it.
        return _close(world, event, Deferred(Reason.FATAL))
    return process_event(world, event)


def process_event(world: World, event: InboxEvent) -> EventStatus:
    """Process an event that is ours; tried again with growing delay, and parked when that does not help."""
    with about(event_id=event.event_id):
        return _close(world, event, _result(world, event))


def _result(world: World, event: InboxEvent) -> Result:
    try:
        return dispatch(world, event)
    except DatabaseUnavailableError:
        raise
    except Exception as bug:  # noqa: BLE001 - counted as any other failure, so that it ends parked, and seen
        error = described(bug)
        log.error("event raised", event_id=event.event_id, type=event.type, error=error)  # noqa: TRY400 - its text
        return Deferred(Reason.BROKEN, error)


def _close(world: World, event: InboxEvent, result: Result) -> EventStatus:
    """Record what an event came to: the one place where an event ends, or is left for another try."""
    match result:
        case Processed(reason):
            status, row = EventStatus.PROCESSED, _ended(world, event, EventStatus.PROCESSED, reason)
        case Ignored(reason):
            status, row = EventStatus.IGNORED, _ended(world, event, EventStatus.IGNORED, reason)
        case Deferred():
            status, row = _deferred(world, event, result)
        case _:
            assert_never(result)
    with world.database.begin() as connection:
        write(connection, [row])
    count(EVENTS, label(status))
    log.info("event", event_id=event.event_id, type=event.type, status=status, reason=result.reason)
    world.ring()
    return status


def _ended(world: World, event: InboxEvent, status: EventStatus, outcome: str) -> Write:
    return inbox.finished(event, status=status, outcome=outcome, now=world.clock())


def _deferred(world: World, event: InboxEvent, result: Deferred) -> tuple[EventStatus, Write]:
    # While Stripe is down, or does not let us ask, nothing can be fetched, which says nothing against the event.
    waits = not result.counts or world.stripe.is_down(account=event.stripe_account or None)
    tries, delay = next_round(event.tries, Delay.NO_TURN if waits else result.reason, dice=world.dice())
    outcome = f"{result.reason}: {result.detail}" if result.detail else result.reason
    if result.reason is Reason.FATAL or tries >= MOST_TRIES:
        return EventStatus.PARKED, _ended(world, event, EventStatus.PARKED, outcome)
    at = world.clock() + (result.delay * (0.75 + world.dice() / 2) if result.delay else delay)
    return EventStatus.RECEIVED, inbox.put_off(event, outcome=outcome, tries=tries, next_action_at=at)
