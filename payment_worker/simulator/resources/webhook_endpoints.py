"""Webhook endpoints of an account, made through Stripe's API: each has a secret of its own."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request, no_such
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.state import Context, Json
from payment_worker.simulator.webhooks.deliveries import Endpoint


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A new endpoint, whose secret is told this once. Raises RequestError."""
    _check_url(params["url"])
    endpoint = Endpoint(
        id=context.new_id("we_1"),
        url=params["url"],
        secrets=[context.new_id("whsec_")],
        api_version=params.get("api_version"),
        types=params["enabled_events"],
        accounts="connected" if params.get("connect") else "own",
        owner=(context.account.id, context.account.livemode),
        description=params.get("description"),
        metadata=merged_metadata({}, params.get("metadata")),
        created=context.now,
    )
    context.state.webhooks.endpoints[endpoint.id] = endpoint
    context.changed = True
    return {**_to_dict(endpoint), "secret": endpoint.secrets[0]}


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise invalid_request(
            "Invalid URL: An explicit scheme (such as https) must be provided.", param="url"
        )


def _to_dict(endpoint: Endpoint) -> Json:
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": endpoint.api_version,
        "application": None,
        "created": endpoint.created,
        "description": endpoint.description,
        "enabled_events": endpoint.types,
        "livemode": endpoint.owner is not None and endpoint.owner[1],
        "metadata": endpoint.metadata,
        "status": "enabled" if endpoint.enabled else "disabled",
        "url": endpoint.url,
    }


def _found(context: Context, object_id: str) -> Endpoint:
    endpoint = context.state.webhooks.endpoints.get(object_id)
    if endpoint is None or endpoint.owner != (context.account.id, context.account.livemode):
        raise no_such("webhook endpoint", object_id, param="id", status=404)
    context.object_id = object_id
    return endpoint


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The endpoint of that id, without its secret."""
    return _to_dict(_found(context, object_id))


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change its address or its events, or disable it. Raises RequestError."""
    endpoint = _found(context, object_id)
    if "url" in params:
        _check_url(params["url"])
        endpoint.url = params["url"]
    endpoint.types = params.get("enabled_events", endpoint.types)
    endpoint.enabled = not params.get("disabled", not endpoint.enabled)
    endpoint.description = params.get("description", endpoint.description)
    endpoint.metadata = merged_metadata(endpoint.metadata, params.get("metadata"))
    context.changed = True
    return _to_dict(endpoint)


def delete(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """Remove it: nothing is delivered there any more."""
    del context.state.webhooks.endpoints[_found(context, object_id).id]
    context.changed = True
    return {"id": object_id, "object": "webhook_endpoint", "deleted": True}


def list_endpoints(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of this account's endpoints."""
    owner = (context.account.id, context.account.livemode)
    mine = {
        endpoint.id: _to_dict(endpoint)
        for endpoint in context.state.webhooks.endpoints.values()
        if endpoint.owner == owner
    }
    return pagination.page(mine, params, kind="webhook endpoint", url="/v1/webhook_endpoints")
