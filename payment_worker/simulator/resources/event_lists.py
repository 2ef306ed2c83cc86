"""Lists and retrieves events; a configurable share becomes visible late."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.resources.events import visible
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.state import Context, Json

MOST_TYPES = 20
KEPT_SECONDS = 30 * 86_400


def list_events(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of the last 30 days' events, of the given types; a type may end in `*`. Raises RequestError."""
    types = list(params.get("types", ()))
    if types and "type" in params:
        raise invalid_request("You may only specify one of these parameters: type, types.", param="types")
    if len(types) > MOST_TYPES:
        raise invalid_request(f"You may pass at most {MOST_TYPES} types.", param="types")
    if "type" in params:
        types = [params["type"]]
    exact, prefixes = set(types), tuple(kind[:-1] for kind in types if kind.endswith("*"))
    account, now = context.account, context.state.clock.now()

    def keep(event: Json) -> bool:
        kind = event["type"]
        wanted = not exact or kind in exact or (bool(prefixes) and kind.startswith(prefixes))
        return wanted and event["created"] >= now - KEPT_SECONDS and visible(account, event, now)

    return pagination.page(account.events, params, kind="event", url="/v1/events", keep=keep)


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The event of that id, visible in lists or not yet. Raises RequestError."""
    return found(context, context.account.events, object_id, "event")
