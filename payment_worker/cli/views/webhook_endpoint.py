"""Prints how the webhook endpoints at Stripe differ from what the worker needs, and the secret of a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from payment_worker import bootstrap
from payment_worker.cli.views.printing import complain, print_json, say
from payment_worker.domain.webhook_endpoint import WebhookEndpoint, endpoint_differences
from payment_worker.flows.events.event_types import SUBJECTS
from payment_worker.gateway.account.webhook_endpoints import EndpointsUnavailable, WebhookEndpoints
from payment_worker.gateway.webhook import PINNED_VERSION
from payment_worker.settings import Settings, SettingsError

PATH: Final = "/webhooks/stripe"
"""Where our receiver takes webhooks: so an endpoint is known for ours."""

SECONDS: Final = 10


def endpoints(settings: Settings, account: str) -> WebhookEndpoints:
    """Those of an account that we have a key of.

    Raises:
        SettingsError: we have none.
    """
    keys = bootstrap.api_keys(settings)
    if account not in keys:
        raise SettingsError([f"STRIPE_API_KEYS: has no account {account}"])
    return WebhookEndpoints(
        api_key=keys[account],
        api_base=settings.stripe_api_base,
        timeout_seconds=min(SECONDS, settings.stripe_timeout),
    )


def ours_among(
    endpoints: Sequence[WebhookEndpoint], url: str | None
) -> Mapping[WebhookEndpoint, Sequence[str]]:
    """Each endpoint of ours with its differences."""
    ours = [each for each in endpoints if (each.url == url if url else each.url.rstrip("/").endswith(PATH))]
    return {
        each: list(endpoint_differences(each, events=SUBJECTS, api_version=PINNED_VERSION)) for each in ours
    }


def check(url: str | None, *, account: str, as_json: bool) -> bool:
    """Print the differences; whether there is an endpoint, and none differs."""
    listed = endpoints(Settings.from_environment(needed_by=("stripe",)), account).list()
    if isinstance(listed, EndpointsUnavailable):
        complain(f"Stripe does not list its webhook endpoints: {listed.reason}.")
        return False
    differences = ours_among(listed, url)
    if as_json:
        print_json([{**asdict(each), "differences": faults} for each, faults in differences.items()])
    for each, faults in {} if as_json else differences.items():
        say(f"{each.stripe_webhook_endpoint_id} {each.url}: {'; '.join(faults) or 'as it should be'}")
    if not differences:
        complain(f"No endpoint {url or f'that ends in {PATH}'}: payment-worker webhook-endpoint create URL")
    return bool(differences) and not any(differences.values())


def create(url: str, *, account: str, is_for_connected: bool) -> bool:
    """Create it and print its secret; whether it was created."""
    client = endpoints(Settings.from_environment(needed_by=("stripe",)), account)
    listed = client.list()
    if not isinstance(listed, EndpointsUnavailable) and not is_for_connected and ours_among(listed, url):
        complain(f"There is an endpoint {url}: payment-worker webhook-endpoint check")
        return False
    secret = client.create(
        url=url, events=SUBJECTS, api_version=PINNED_VERSION, is_for_connected=is_for_connected
    )
    if isinstance(secret, EndpointsUnavailable):
        complain(f"Stripe did not create it: {secret.reason}.")
        return False
    say(secret)
    example = f", as {account}=whsec_…" if account else ""
    complain(f"Its signing secret, shown this once: add it to STRIPE_WEBHOOK_SECRET{example}.")
    return True
