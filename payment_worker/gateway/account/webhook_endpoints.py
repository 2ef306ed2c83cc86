"""Lists and creates the webhook endpoints of the key's own account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import stripe

from payment_worker.domain.webhook_endpoint import WebhookEndpoint
from payment_worker.gateway.transport.errors import refusal_in

MOST: Final = 100
"""Stripe allows 16 endpoints to an account."""


@dataclass(frozen=True, slots=True)
class EndpointsUnavailable:
    """Stripe did not do it."""

    reason: str


class WebhookEndpoints:
    """The webhook endpoints of one account."""

    def __init__(self, *, api_key: str, api_base: str, timeout_seconds: float) -> None:
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")},
            http_client=stripe.RequestsClient(timeout=timeout_seconds),
            max_network_retries=0,
        )

    def list(self) -> Sequence[WebhookEndpoint] | EndpointsUnavailable:
        """All of them."""
        try:
            body = self._client.raw_request("get", "/v1/webhook_endpoints", limit=MOST).data
        except stripe.StripeError as error:
            return _unavailable(error)
        try:
            return [_endpoint(each) for each in body["data"]]
        except (KeyError, TypeError):
            return EndpointsUnavailable("an answer that is no list of endpoints")

    def create(
        self, *, url: str, events: Collection[str], api_version: str, is_for_connected: bool
    ) -> str | EndpointsUnavailable:
        """Create one; the same again within a day is the same one.

        Returns:
            Its signing secret, which Stripe shows this once.
        """
        params: dict[str, Any] = {"url": url, "enabled_events": sorted(events), "api_version": api_version}
        if is_for_connected:
            params["connect"] = True
        key = sha256(repr(sorted(params.items())).encode()).hexdigest()
        try:
            response = self._client.raw_request(
                "post", "/v1/webhook_endpoints", idempotency_key=f"webhook-endpoint:{key}", **params
            )
        except stripe.StripeError as error:
            return _unavailable(error)
        return str(response.data["secret"])


def _endpoint(body: Mapping[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(
        stripe_webhook_endpoint_id=str(body["id"]),
        url=str(body["url"]),
        events=tuple(str(each) for each in body["enabled_events"]),
        api_version=body["api_version"],
        is_enabled=body["status"] == "enabled",
    )


def _unavailable(error: stripe.StripeError) -> EndpointsUnavailable:
    refusal = refusal_in(error) if isinstance(error, stripe.PermissionError) else None
    return EndpointsUnavailable(refusal or type(error).__name__)
