"""Compares a webhook endpoint at Stripe with the events and API version that the worker needs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """A webhook endpoint as Stripe shows it; its secret is never shown again."""

    stripe_webhook_endpoint_id: str
    url: str
    events: tuple[str, ...]
    api_version: str | None
    """None: the account's default."""
    is_enabled: bool


def endpoint_differences(
    endpoint: WebhookEndpoint, *, events: Collection[str], api_version: str
) -> Iterator[str]:
    """What of an endpoint is not as the worker needs it, in sentences for people."""
    if not endpoint.is_enabled:
        yield "it is disabled: nothing is delivered"
    sent = set(endpoint.events)
    if "*" not in sent and (missing := sorted(set(events) - sent)):
        yield f"it lacks {', '.join(missing)}: it is found later, by the poll or the balance import"
    if superfluous := sorted(sent - set(events)):
        yield f"it has {', '.join(superfluous)}: events that are stored and ignored"
    if endpoint.api_version != api_version:
        version = endpoint.api_version or "the account's default"
        yield f"its API version is {version}, ours {api_version}: objects are fetched again for each event"
