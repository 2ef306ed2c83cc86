"""Polls Stripe's event list in overlapping windows, to find events whose webhooks were lost.

Theory of operation. The list is newest first, and an older event can become visible after a newer one. So each window
begins `overlap` before the newest event of the window before, and ends where the list does; an event that becomes
visible within the overlap is found, and a known one is recognised by its id. All times are Stripe's own, except the
beginning of the very first window, well before our first payment. A window is read page by page, each page stored
together with its position: a poll that is killed is continued, and an account without new events costs one request.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from payment_worker.domain.attempts.outcome import Absent, Delay, Postponed
from payment_worker.flows.context import Context
from payment_worker.flows.events.arrival import arrival
from payment_worker.flows.events.event_types import IMPLIED, SUBJECTS
from payment_worker.gateway.lists.pages import NotListed, Page, Period, events_page
from payment_worker.gateway.webhook import Event
from payment_worker.store.connection.advisory_lock import POLL_LOCK, alone
from payment_worker.store.events import event_polls, inbox
from payment_worker.store.events.event_polls import Poll, Window
from payment_worker.telemetry import logger

log = logger(__name__)

TYPES: Final = sorted(SUBJECTS.keys() - IMPLIED)
"""The event types that are listed; Stripe takes at most 20 at once."""

CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
"""How far before our first payment, by PostgreSQL's clock, the first window begins: Stripe's may be behind."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """The result of a poll."""

    requests: int
    new: int
    is_finished: bool
    """False if a window stays open: the next poll continues it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOptions:
    """How to poll."""

    overlap: timedelta
    has_time: Callable[[], bool] = lambda: True
    """Called before each page; False ends the poll, and the next one continues."""
    notify: Callable[[], object]
    """Called after each page with new events, once they are stored: a worker has to process them."""


def poll(context: Context, options: PollOptions) -> PollResult | None:
    """Read the new events of all accounts; None while another process polls."""
    with alone(context.database, POLL_LOCK) as is_ours:
        if not is_ours:
            return None
        with context.database.begin() as connection:
            polls, first_payment_at = event_polls.polls(connection), event_polls.first_payment_at(connection)
        if first_payment_at is None:
            return PollResult(0, 0, is_finished=True)
        counts = [_poll_account(context, each, first_payment_at, options) for each in polls]
    return PollResult(
        requests=sum(each.requests for each in counts),
        new=sum(each.new for each in counts),
        is_finished=all(each.is_finished for each in counts),
    )


def _poll_account(
    context: Context, poll: Poll, first_payment_at: datetime, options: PollOptions
) -> PollResult:
    requests = new = 0
    while options.has_time():
        since = poll.window.since if poll.window else _first_since(poll, first_payment_at) - options.overlap
        after = poll.window.cursor if poll.window else None
        page = events_page(
            context.stripe, Period(since=since), types=TYPES, after=after, account=poll.stripe_account
        )
        requests += 1
        if not isinstance(page, Page):
            _handle_failure(context, poll, page)
            break
        poll = _advance_poll(poll, page, since)
        stored = _store_page(context, poll, page)
        if stored:
            options.notify()
        new += stored
        if poll.window is None:
            return PollResult(requests, new, is_finished=True)
    return PollResult(requests, new, is_finished=False)


def _first_since(poll: Poll, first_payment_at: datetime) -> datetime:
    """What was read last, by Stripe's clock; before anything was, well before the first payment, by ours."""
    return poll.read_until or first_payment_at - CLOCKS_DIFFER_BY


def _advance_poll(poll: Poll, page: Page[Event], since: datetime) -> Poll:
    """How far is read after this page."""
    # If no event of a page can be parsed, its oldest time is known all the same, and the list is read on.
    newest = (
        poll.window.newest
        if poll.window
        else max((each.created_at for each in page.objects), default=page.oldest_at)
    )
    if page.cursor and newest:
        return replace(poll, window=Window(since=since, newest=newest, cursor=page.cursor))
    return replace(poll, read_until=newest or poll.read_until, window=None)


def _store_page(context: Context, poll: Poll, page: Page[Event]) -> int:
    now = context.clock()
    arrivals = {event.event_id: arrival(event) for event in page.objects}
    with context.database.begin() as connection:
        unknown_ids = event_polls.unknown(connection, poll.stripe_account, list(arrivals))
        new = inbox.keep(
            connection,
            [arrivals[event_id] for event_id in unknown_ids],
            source="poll",
            now=now,
        )
        event_polls.save(connection, poll, now=now)
    return len(new)


def _handle_failure(context: Context, poll: Poll, failure: NotListed) -> None:
    log.warning("events not listed", stripe_account=poll.stripe_account, answer=str(failure))
    if isinstance(failure, Absent) and poll.window:
        # The cursor's event is older than what Stripe keeps: the window is opened anew, at its newest end.
        with context.database.begin() as connection:
            event_polls.save(connection, replace(poll, window=None), now=context.clock())
    elif poll.stripe_account and isinstance(failure, Postponed) and failure.delay is Delay.ACCESS_DENIED:
        # It had its turn: else connected accounts that are closed to us would come before all others each time.
        with context.database.begin() as connection:
            event_polls.save(connection, poll, now=context.clock())
