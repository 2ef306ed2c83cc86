"""The inbox: stores each event once, and processes events under a lease, in batches if possible.

Theory of operation. An event is stored as new and due. Whoever is told that there is something, with no word of what,
claims the oldest that are new and processes them together; those that Stripe has to be asked about, and all of them
where that fails, are left, and processed one by one. An event that was claimed before and is due again, as the sweep
finds it, is processed alone: it may be what ended its worker, and shall take no other with it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar, assert_never
from uuid import UUID

from payment_worker.domain.attempts.backoff import next_try
from payment_worker.domain.attempts.outcome import Delay
from payment_worker.flows.context import Context
from payment_worker.flows.events.arrival import arrival
from payment_worker.flows.events.correct_accounts import correct_accounts
from payment_worker.flows.events.dispatch import dispatch
from payment_worker.flows.events.fees import record_fees
from payment_worker.flows.events.finish import Finished, finished_as
from payment_worker.flows.events.process_many import Group, process_group
from payment_worker.flows.events.result import Deferred, Ignored, Processed, Reason, Result
from payment_worker.gateway.webhook import Event
from payment_worker.store.connection.database import Database, DatabaseUnavailableError
from payment_worker.store.events import inbox
from payment_worker.store.events.inbox import DueEvent, EventStatus, InboxEvent
from payment_worker.store.statements import Write, write
from payment_worker.telemetry import about, logger
from payment_worker.telemetry.exceptions import described
from payment_worker.telemetry.metrics import EVENTS
from payment_worker.telemetry.recorder import count

log = logger(__name__)

T = TypeVar("T")

MOST_TRIES: Final = 12
"""With exponential delays up to 15 minutes that is half an hour: an event that keeps failing that long, although Stripe
is reachable, needs an operator."""


GROUP: Final = 100
"""New events processed together: about 30 ms, in which others wait for the payments' locks."""


def receive(context: Context, event: Event, *, source: str) -> bool:
    """Store an event; False when it is stored already. Once this returns, nothing can lose it."""
    return receive_all(context.database, [event], source=source, clock=context.clock)[0]


def receive_all(
    database: Database, events: Sequence[Event], *, source: str, clock: Callable[[], datetime]
) -> list[bool]:
    """Store events, all or none of them; False in the place of each that is stored already."""
    arrivals = [arrival(event) for event in events]
    new_keys = inbox.keep_alone(database, arrivals, source=source, now=clock())
    return [_is_new(each.event, new_keys) for each in arrivals]


def _is_new(event: InboxEvent, new_keys: set[tuple[str, str]]) -> bool:
    key = (event.stripe_account, event.event_id)
    if key not in new_keys:
        return False
    new_keys.remove(key)  # the same event twice in one batch is new once
    return True


def status_of(context: Context, event: Event) -> EventStatus | None:
    """What became of an event so far."""
    with context.database.begin() as connection:
        return inbox.status_of(connection, stripe_account=event.stripe_account, event_id=event.event_id)


def claim_new(context: Context) -> Sequence[InboxEvent]:
    """Lease the oldest events that are new, at the most `GROUP` of them."""
    now = context.clock()
    return inbox.claim_new(context.database, now=now, leased_until=now + context.policy.lease, limit=GROUP)


def process_together(context: Context, events: Sequence[InboxEvent]) -> Sequence[DueEvent]:
    """Process claimed events together; returns those that have to be processed alone."""
    if not events:
        return ()
    events = correct_accounts(context, events)
    group = _unless_broken(lambda: process_group(context, events), Group((), ()))
    no_fees: Sequence[Finished] = ()
    finished = [*group.finished, *_unless_broken(lambda: record_fees(context, group.lacking_fees), no_fees)]
    for each in finished:
        _log_finished(each.event, finished_as(each.result), each.result, payment_id=each.payment_id)
    if any(each.result.reason is Reason.CHANGED for each in finished):
        context.notify_relay()
    accounts_to_import = {
        each.event.stripe_account for each in finished if each.result.reason is Reason.BALANCE
    }
    for stripe_account in sorted(accounts_to_import):
        context.notify_import(stripe_account)
    finished_keys = {(each.event.stripe_account, each.event.event_id) for each in finished}
    return [each.handed_out for each in events if (each.stripe_account, each.event_id) not in finished_keys]


def _unless_broken(process: Callable[[], T], fallback: T) -> T:
    """The result of processing several events; the fallback if one of them breaks it: each is processed alone then."""
    try:
        return process()
    except DatabaseUnavailableError:
        raise
    except Exception as bug:  # noqa: BLE001 - it is logged again, and counted, with the event that it is of
        log.error("events not processed together", error=described(bug))  # noqa: TRY400 - its text
        return fallback


def process_claimed(
    context: Context, *, stripe_account: str, event_id: str, lease_token: int
) -> EventStatus | None:
    """Process an event that was claimed under this token; None if the token is not valid any more."""
    with context.database.begin() as connection:
        claimed = inbox.owned(
            connection, stripe_account=stripe_account, event_id=event_id, lease_token=lease_token
        )
        if claimed is None:
            return None
        event, received_at = claimed
        if event.tries < MOST_TRIES and context.clock() - received_at > context.policy.lease:
            # Not its first run: it may have crashed a worker before, and may again.
            write(connection, [inbox.begun(event)])
    if event.tries >= MOST_TRIES:
        # The last run ended with its worker's death, so that nothing parked the event.
        return _close_event(context, event, Deferred(Reason.FATAL))
    if not correct_accounts(context, [event]):
        return EventStatus.PROCESSED
    return process_event(context, event)


def process_event(context: Context, event: InboxEvent) -> EventStatus:
    """Process an event that concerns us; retried with growing delay, and parked when that does not help."""
    with about(event_id=event.event_id):
        try:
            result = dispatch(context, event)
        except DatabaseUnavailableError:
            raise
        except Exception as bug:  # noqa: BLE001 - counted as any other failure, so that it ends parked, and seen
            error = described(bug)
            log.error("event handler failed", event_id=event.event_id, type=event.type, error=error)  # noqa: TRY400 - its text
            result = Deferred(Reason.BROKEN, error)
        return _close_event(context, event, result)


def _close_event(context: Context, event: InboxEvent, result: Result) -> EventStatus:
    """Record the result of an event that was processed alone, unless that was written with what it changed."""
    row: Write | None
    match result:
        case Processed(is_recorded=True):
            status, row = EventStatus.PROCESSED, None
        case Processed() | Ignored():
            status = finished_as(result)
            row = inbox.finished(event, status=status, outcome=result.reason, now=context.clock())
        case Deferred():
            status, row = _defer_event(context, event, result)
        case _:
            assert_never(result)
    if row:
        with context.database.begin() as connection:
            write(connection, [row])
    _log_finished(event, status, result)
    context.notify_relay()
    if result.reason is Reason.BALANCE:
        context.notify_import(event.stripe_account)
    return status


def _log_finished(
    event: InboxEvent, status: EventStatus, result: Result, *, payment_id: UUID | None = None
) -> None:
    count(EVENTS, status.lower())
    extra = {"payment_id": str(payment_id)} if payment_id else {}
    log.info(
        "event processed",
        event_id=event.event_id,
        type=event.type,
        status=status,
        reason=result.reason,
        **extra,
    )


def _defer_event(context: Context, event: InboxEvent, result: Deferred) -> tuple[EventStatus, Write]:
    now, status = context.clock(), EventStatus.RECEIVED
    # While Stripe is down, or rejects our key, nothing can be retrieved, which is not the event's fault.
    is_uncounted = not result.counts or context.stripe.breaker_is_open(account=event.stripe_account)
    tries, delay = next_try(
        event.tries, Delay.THROTTLED if is_uncounted else result.reason, jitter=context.jitter()
    )
    outcome = f"{result.reason}: {result.detail}" if result.detail else result.reason
    if result.reason is Reason.FATAL or tries >= MOST_TRIES:
        status = EventStatus.PARKED
        return status, inbox.finished(event, status=status, outcome=outcome, now=now)
    at = now + (result.delay * (0.75 + context.jitter() / 2) if result.delay else delay)
    return status, inbox.reschedule(event, outcome=outcome, tries=tries, next_action_at=at)
