"""Control of webhooks: endpoints, modes, what is held, deliveries again."""

import asyncio
from dataclasses import asdict, replace
from typing import Any

from starlette.routing import Route

from payment_worker.simulator.control.control import ControlError, Given, Json, answered
from payment_worker.simulator.webhooks.deliveries import Delivery, Endpoint, Mode
from payment_worker.simulator.world import World

_MODES = ("normal", "hold", "drop")
_ORDERS = ("fifo", "reverse", "shuffle")
_ACCOUNTS = ("own", "connected", "all")


def _state(given: Given) -> Json:
    return given.world.webhooks.state()


def _add_endpoint(given: Given) -> Json:
    fields = given.fields(url=None, secrets=[], api_version=None, types=["*"], accounts="all", enabled=True)
    endpoint = Endpoint(id=given.world.ids.new("we_1"), **_checked_endpoint(fields))
    given.world.webhooks.endpoints[endpoint.id] = endpoint
    return asdict(endpoint)


def _checked_endpoint(fields: Json) -> Json:
    if not isinstance(fields["url"], str) or not fields["url"].startswith(("http://", "https://")):
        raise ControlError("url must be an http or https address")
    if not isinstance(fields["secrets"], list) or not fields["secrets"]:
        raise ControlError("secrets must be a list of at least one")
    if fields["accounts"] not in _ACCOUNTS:
        raise ControlError(f"accounts must be one of {', '.join(_ACCOUNTS)}")
    return fields


def _endpoint(given: Given) -> Endpoint:
    found = given.world.webhooks.endpoints.get(given.path["id"])
    if found is None:
        raise ControlError(f"no endpoint {given.path['id']}", status=404)
    return found


def _change_endpoint(given: Given) -> Json:
    endpoint = _endpoint(given)
    present = {name: value for name, value in asdict(endpoint).items() if name != "id"}
    for name, value in _checked_endpoint(given.fields(**present)).items():
        setattr(endpoint, name, value)
    return asdict(endpoint)


def _remove_endpoint(given: Given) -> Json:
    return asdict(given.world.webhooks.endpoints.pop(_endpoint(given).id))


def _change_mode(given: Given) -> Json:
    webhooks = given.world.webhooks
    fields = given.fields(**asdict(webhooks.mode))
    if fields["mode"] not in _MODES:
        raise ControlError(f"mode must be one of {', '.join(_MODES)}")
    webhooks.mode = Mode(**fields)
    return asdict(webhooks.mode)


def _release(given: Given) -> Json:
    fields = given.fields(order="fifo", types=["*"], limit=None)
    if fields["order"] not in _ORDERS:
        raise ControlError(f"order must be one of {', '.join(_ORDERS)}")
    return {"released": given.world.webhooks.release(**fields)}


def _discard(given: Given) -> Json:
    webhooks = given.world.webhooks
    discarded = len(webhooks.held)
    webhooks.held.clear()
    webhooks.counts["dropped"] += discarded
    return {"discarded": discarded}


def _event(world: World, event_id: str) -> Json:
    for account in world.accounts.values():
        for events in (account.events, account.older_events):
            if event_id in events:
                return events[event_id]
    raise ControlError(f"no event {event_id}", status=404)


async def _redeliver(given: Given) -> Json:
    world = given.world
    fields = given.fields(
        event=None, times=1, endpoint=None, api_version=None, secrets=None, timestamp=None, body=None
    )
    event = _event(world, str(fields["event"]))
    changes: dict[str, Any] = {name: fields[name] for name in ("api_version", "secrets") if fields[name]}
    endpoints = [
        replace(endpoint, **changes)
        for endpoint in world.webhooks.endpoints.values()
        if fields["endpoint"] in (None, endpoint.id)
    ]
    deliveries = [Delivery(event, endpoint, world.clock.now()) for endpoint in endpoints] * int(
        fields["times"]
    )
    attempts = (
        world.webhooks.attempt(delivery, body=fields["body"], timestamp=fields["timestamp"])
        for delivery in deliveries
    )
    return {"statuses": await asyncio.gather(*attempts)}


async def _settle(given: Given) -> Json:
    return {"settled": await given.world.webhooks.settle(given.fields(timeout=10)["timeout"])}


def _deliveries(given: Given) -> Json:
    event, limit = given.query.get("event"), int(given.query.get("limit", 100))
    newest_first = reversed(given.world.webhooks.attempts)
    return {"deliveries": [attempt for attempt in newest_first if event in (None, attempt["event"])][:limit]}


def routes(world: World) -> list[Route]:
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
    return [answered(world, path, method, control) for path, method, control in table]
