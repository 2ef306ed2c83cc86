"""Retrieves an event of which only the id is to be believed."""

from dataclasses import replace

from payment_worker.flows.context import Context
from payment_worker.gateway.client import NotFetched, fetch
from payment_worker.gateway.parsing import JSON, UnreadableError
from payment_worker.gateway.webhook import Event, event_from


def fetch_event(context: Context, event_id: str, *, account: str) -> Event | NotFetched:
    """The event as Stripe shows it to our key, which no signature has to vouch for."""

    def read(body: JSON) -> Event:
        try:
            return replace(event_from({**body, "context": None}), stripe_account=account)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as fault:
            raise UnreadableError(f"event: {type(fault).__name__}") from None

    return fetch(context.stripe, f"/v1/events/{event_id}", account, read)
