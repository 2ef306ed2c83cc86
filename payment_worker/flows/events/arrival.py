"""Converts a Stripe event to its row in the inbox."""

from payment_worker.gateway.webhook import Event
from payment_worker.store.events import inbox
from payment_worker.store.events.inbox import Arrival, InboxEvent


def arrival(event: Event) -> Arrival:
    """The event as it is stored."""
    inbox_event = InboxEvent(
        stripe_account=event.stripe_account,
        event_id=event.event_id,
        type=event.type,
        api_version=event.api_version,
        livemode=event.livemode,
        payload=event.payload,
        tries=0,
        lease_token=inbox.NEW,
    )
    return Arrival(
        event=inbox_event, payload=event.text, object_id=event.object_id, created_at=event.created_at
    )
