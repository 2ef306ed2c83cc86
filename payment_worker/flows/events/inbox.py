"""The inbox: stores events once, and processes them under a lease."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol, assert_never

from payment_worker.domain.backoff import next_try
from payment_worker.domain.outcome import Delay
from payment_worker.flows.context import Context, Policy
from payment_worker.flows.events.dispatch import dispatch
from payment_worker.flows.events.result import Deferred, Ignored, Processed, Reason, Result
from payment_worker.gateway.webhook import Event
from payment_worker.store import inbox
from payment_worker.store.connection.database import Database, DatabaseUnavailableError
from payment_worker.store.inbox import Arrival, EventStatus, InboxEvent
from payment_worker.store.statements import Write, write
from payment_worker.telemetry import about, logger
from payment_worker.telemetry.exceptions import described
from payment_worker.telemetry.metrics import EVENTS
from payment_worker.telemetry.recorder import count

log = logger(__name__)

MOST_TRIES: Final = 12
"""With exponential delays up to 15 minutes that is half an hour: an event that keeps failing that long, although Stripe
is reachable, needs an operator."""


class Receives(Protocol):
    """What storing an event needs: a `Context`, or as much of one as the webhook receiver has."""

    @property
    def database(self) -> Database:
        """Where events are kept."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """Now, aware."""

    @property
    def policy(self) -> Policy:
        """How long a lease is."""


def receive(context: Receives, event: Event, *, source: str) -> InboxEvent | None:
    """Store an event; None when it is stored already. Once this returns, nothing can lose it."""
    return receive_all(context, [event], source=source)[0]


def receive_all(context: Receives, events_in: Sequence[Event], *, source: str) -> list[InboxEvent | None]:
    """Store events, all or none of them; None in the place of each that is stored already."""
    now = context.clock()
    arrivals = [arrival(event) for event in events_in]
    with context.database.begin() as connection:
        new = inbox.keep(
            connection, arrivals, source=source, now=now, leased_until=now + context.policy.lease
        )
    return [_if_new(each.event, new) for each in arrivals]


def arrival(event: Event) -> Arrival:
    """The event as it is stored, leased to the process that stores it."""
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
    context: Context, *, stripe_account: str, event_id: str, lease_token: int
) -> EventStatus | None:
    """Process an event that was claimed under this token; None if the token is not valid any more."""
    with context.database.begin() as connection:
        owned = inbox.owned(
            connection, stripe_account=stripe_account, event_id=event_id, lease_token=lease_token
        )
        if owned is None:
            return None
        event, received_at = owned
        if event.tries < MOST_TRIES and context.clock() - received_at > context.policy.lease:
            # Not its first run: it may have crashed a worker before, and may again.
            write(connection, [inbox.begun(event)])
    if event.tries >= MOST_TRIES:
        # The last run ended with its worker's death, so that nothing parked the event.
        return _close(context, event, Deferred(Reason.FATAL))
    return process_event(context, event)


def process_event(context: Context, event: InboxEvent) -> EventStatus:
    """Process an event that concerns us; retried with growing delay, and parked when that does not help."""
    with about(event_id=event.event_id):
        return _close(context, event, _result(context, event))


def _result(context: Context, event: InboxEvent) -> Result:
    try:
        return dispatch(context, event)
    except DatabaseUnavailableError:
        raise
    except Exception as bug:  # noqa: BLE001 - counted as any other failure, so that it ends parked, and seen
        error = described(bug)
        log.error("event handler failed", event_id=event.event_id, type=event.type, error=error)  # noqa: TRY400 - its text
        return Deferred(Reason.BROKEN, error)


def _close(context: Context, event: InboxEvent, result: Result) -> EventStatus:
    """Record an event's result: the only place where an event is finished or rescheduled."""
    match result:
        case Processed(is_recorded=True):
            return _told(context, event, EventStatus.PROCESSED, result)
        case Processed(reason):
            status, row = EventStatus.PROCESSED, _ended(context, event, EventStatus.PROCESSED, reason)
        case Ignored(reason):
            status, row = EventStatus.IGNORED, _ended(context, event, EventStatus.IGNORED, reason)
        case Deferred():
            status, row = _deferred(context, event, result)
        case _:
            assert_never(result)
    with context.database.begin() as connection:
        write(connection, [row])
    return _told(context, event, status, result)


def _told(context: Context, event: InboxEvent, status: EventStatus, result: Result) -> EventStatus:
    count(EVENTS, status.lower())
    log.info("event processed", event_id=event.event_id, type=event.type, status=status, reason=result.reason)
    context.notify_relay()
    return status


def _ended(context: Context, event: InboxEvent, status: EventStatus, outcome: str) -> Write:
    return inbox.finished(event, status=status, outcome=outcome, now=context.clock())


def _deferred(context: Context, event: InboxEvent, result: Deferred) -> tuple[EventStatus, Write]:
    # While Stripe is down, or rejects our key, nothing can be retrieved, which is not the event's fault.
    waits = not result.counts or context.stripe.is_down(account=event.stripe_account or None)
    tries, delay = next_try(event.tries, Delay.THROTTLED if waits else result.reason, jitter=context.jitter())
    outcome = f"{result.reason}: {result.detail}" if result.detail else result.reason
    if result.reason is Reason.FATAL or tries >= MOST_TRIES:
        return EventStatus.PARKED, _ended(context, event, EventStatus.PARKED, outcome)
    at = context.clock() + (result.delay * (0.75 + context.jitter() / 2) if result.delay else delay)
    return EventStatus.RECEIVED, inbox.reschedule(event, outcome=outcome, tries=tries, next_action_at=at)
