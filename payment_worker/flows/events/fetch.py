"""Retrieves from Stripe an event's object, or the whole event if only its id can be trusted."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from payment_worker.domain.accounts import account_of
from payment_worker.domain.attempts.outcome import Absent, Delay, Postponed, Unanswered
from payment_worker.domain.findings.closures import closed_account, closed_list, not_shown
from payment_worker.domain.findings.kinds import StripeList
from payment_worker.flows.context import Context
from payment_worker.flows.events.event_object import EventObject, read_object
from payment_worker.flows.events.event_types import NAMELESS, PATHS, Subject
from payment_worker.flows.events.result import Deferred, Ignored, Reason, Result
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.gateway.client import NotFetched, fetch
from payment_worker.gateway.fields import identity
from payment_worker.gateway.parsing import JSON, parses
from payment_worker.gateway.webhook import PINNED_VERSION, THIN, Event, event_from
from payment_worker.store.events import event_polls
from payment_worker.store.events.inbox import InboxEvent

ASKED_AGAIN_AFTER: Final = timedelta(hours=3)
"""How long an event waits whose account we may not read: its owner has to grant access first, or never will."""


def fetch_event(context: Context, event_id: str, *, account: str) -> Event | NotFetched:
    """The event as Stripe shows it to our key, which no signature has to vouch for."""

    @parses("event")
    def parse(body: JSON) -> Event:
        return replace(event_from({**body, "context": None}), stripe_account=account)

    return fetch(context.stripe, f"/v1/events/{event_id}", account, parse)


def object_of(context: Context, event: InboxEvent, subject: Subject) -> EventObject | Result:
    """The object of an event: as the event carries it, or as Stripe shows it now if the event only names it.

    Thin events do, and so do those of old API versions whose object names its charge and not its PaymentIntent.

    Raises:
        UnreadableError: it does not say what it is.
    """
    if stripe_id := _only_named(event, subject):
        fetched = context.stripe.read(f"/v1/{PATHS[subject]}/{stripe_id}", {}, account=event.stripe_account)
        if isinstance(fetched, Absent):
            return Ignored(Reason.ABSENT)
        if isinstance(fetched, Unanswered | Postponed):
            return unavailable(context, event, fetched)
        payload = {**event.payload, "data": {"object": fetched}}
        event = replace(event, api_version=PINNED_VERSION, payload=payload)
    event_object = read_object(event, subject)
    return event_object if event_object.payment_intent else Ignored(Reason.FOREIGN)


@parses()
def _only_named(event: InboxEvent, subject: Subject) -> str | None:
    """The id of an object that the event does not carry, or not enough of it; else None."""
    if event.payload.get("object") == THIN:
        return identity(event.payload["related_object"]["id"])
    if subject not in NAMELESS or event.api_version == PINNED_VERSION:
        return None
    fields = event.payload["data"]["object"]
    return None if fields.get("payment_intent") else identity(fields["id"])


def unavailable(context: Context, event: InboxEvent, failure: Unanswered | Postponed) -> Deferred | Ignored:
    """What an event comes to for which Stripe did not answer; a closed account of ours is one finding.

    Of an organisation, whose events name a `context`, there may be accounts that never had a payment of ours.
    """
    match failure:
        case Postponed(Delay.ACCESS_DENIED):
            has_payments = _record_access_denied(context, event.stripe_account)
            if event.payload.get("context") and not has_payments:
                return Ignored(Reason.FOREIGN)
            return Deferred(Reason.FORBIDDEN, counts=False, delay=ASKED_AGAIN_AFTER)
        case Postponed(delay):
            return Deferred(Reason.UNAVAILABLE, delay, counts=False)
        case Unanswered(unknown_reason):
            return Deferred(Reason.UNAVAILABLE, unknown_reason)


def _record_access_denied(context: Context, account: str) -> bool:
    """Record that Stripe does not show us this account, if it has payments of ours; whether it has."""
    closed = (
        closed_account(account)
        if account_of(account).connected
        else closed_list(StripeList.PAYMENT_INTENTS, stripe_account=account)
    )
    with context.database.begin() as connection:
        has_payments = account in event_polls.accounts(connection)
        if has_payments:
            difference = not_shown(closed, stripe_account=account, reason=Delay.ACCESS_DENIED)
            record_finding(context, connection, difference)
    return has_payments
