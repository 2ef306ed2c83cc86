"""Control routes of webhooks: endpoints, delivery mode, held and repeated deliveries."""

import asyncio
from dataclasses import asdict, replace
from typing import Any

from starlette.routing import Route

from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.state import State
from payment_worker.simulator.webhooks.deliveries import Delivery, Endpoint, Mode

_MODES = ("normal", "hold", "drop")
_ORDERS = ("fifo", "reverse", "shuffle")
_PAYLOADS = ("snapshot", "thin")
_ACCOUNTS = ("own", "connected", "all")


def _state(request: ControlRequest) -> Json:
    return request.state.webhooks.state()


def _add_endpoint(request: ControlRequest) -> Json:
    fields = request.fields(
        url=None,
        secrets=[],
        api_version=None,
        event_payload="snapshot",
        types=["*"],
        accounts="all",
        enabled=True,
    )
    owner = (request.account_id, request.livemode) if request.account_id else None
    endpoint = Endpoint(id=request.state.ids.new("we_1"), owner=owner, **_checked_endpoint(fields))
    request.state.webhooks.endpoints[endpoint.id] = endpoint
    return asdict(endpoint)


def _checked_endpoint(fields: Json) -> Json:
    if not isinstance(fields["url"], str) or not fields["url"].startswith(("http://", "https://")):
        raise ControlError("url must be an http or https address")
    if not isinstance(fields["secrets"], list) or not fields["secrets"]:
        raise ControlError("secrets must be a list of at least one")
    if fields["accounts"] not in _ACCOUNTS:
        raise ControlError(f"accounts must be one of {', '.join(_ACCOUNTS)}")
    if fields["event_payload"] not in _PAYLOADS:
        raise ControlError(f"event_payload must be one of {', '.join(_PAYLOADS)}")
    return fields


def _endpoint(request: ControlRequest) -> Endpoint:
    found = request.state.webhooks.endpoints.get(request.path["id"])
    if found is None:
        raise ControlError(f"no endpoint {request.path['id']}", status=404)
    return found


def _change_endpoint(request: ControlRequest) -> Json:
    endpoint = _endpoint(request)
    present = {name: value for name, value in asdict(endpoint).items() if name != "id"}
    for name, value in _checked_endpoint(request.fields(**present)).items():
        setattr(endpoint, name, value)
    return asdict(endpoint)


def _remove_endpoint(request: ControlRequest) -> Json:
    return asdict(request.state.webhooks.endpoints.pop(_endpoint(request).id))


def _change_mode(request: ControlRequest) -> Json:
    webhooks = request.state.webhooks
    fields = request.fields(**asdict(webhooks.mode))
    if fields["mode"] not in _MODES:
        raise ControlError(f"mode must be one of {', '.join(_MODES)}")
    webhooks.mode = Mode(**fields)
    return asdict(webhooks.mode)


def _release(request: ControlRequest) -> Json:
    fields = request.fields(order="fifo", types=["*"], limit=None)
    if fields["order"] not in _ORDERS:
        raise ControlError(f"order must be one of {', '.join(_ORDERS)}")
    return {"released": request.state.webhooks.release(**fields)}


def _discard(request: ControlRequest) -> Json:
    webhooks = request.state.webhooks
    discarded = len(webhooks.held)
    webhooks.held.clear()
    webhooks.counts["dropped"] += discarded
    return {"discarded": discarded}


def _event(state: State, event_id: str) -> Json:
    for account in state.accounts.values():
        for events in (account.events, account.older_events):
            if event_id in events:
                return events[event_id]
    raise ControlError(f"no event {event_id}", status=404)


async def _redeliver(request: ControlRequest) -> Json:
    state = request.state
    fields = request.fields(
        event=None, times=1, endpoint=None, api_version=None, secrets=None, timestamp=None, body=None
    )
    event = _event(state, str(fields["event"]))
    changes: dict[str, Any] = {name: fields[name] for name in ("api_version", "secrets") if fields[name]}
    endpoints = [
        replace(endpoint, **changes)
        for endpoint in state.webhooks.endpoints.values()
        if fields["endpoint"] in (None, endpoint.id)
    ]
    deliveries = [Delivery(event, endpoint, state.clock.now()) for endpoint in endpoints] * int(
        fields["times"]
    )
    attempts = (
        state.webhooks.attempt(delivery, body=fields["body"], timestamp=fields["timestamp"])
        for delivery in deliveries
    )
    return {"statuses": await asyncio.gather(*attempts)}


async def _settle(request: ControlRequest) -> Json:
    return {"settled": await request.state.webhooks.settle(request.fields(timeout=10)["timeout"])}


def _deliveries(request: ControlRequest) -> Json:
    event, limit = request.query.get("event"), int(request.query.get("limit", 100))
    newest_first = reversed(request.state.webhooks.attempts)
    return {"deliveries": [attempt for attempt in newest_first if event in (None, attempt["event"])][:limit]}


def routes(state: State) -> list[Route]:
    """The routes of docs/simulator.md under Webhooks."""
    table = (
        ("/webhooks", "GET", _state),
        ("/webhooks/endpoints", "POST", _add_endpoint),
        ("/webhooks/endpoints/{id}", "POST", _change_endpoint),
        ("/webhooks/endpoints/{id}", "DELETE", _remove_endpoint),
        ("/webhooks/mode", "POST", _change_mode),
        ("/webhooks/release", "POST", _release),
        ("/webhooks/discard", "POST", _discard),
        ("/webhooks/redeliver", "POST", _redeliver),
        ("/webhooks/settle", "POST", _settle),
        ("/webhooks/deliveries", "GET", _deliveries),
    )
    return [json_route(state, path, method, control) for path, method, control in table]
