"""The table of all endpoints, which one a path matches, and what of Stripe's is not implemented."""

import re
from functools import cache
from importlib.resources import files

from payment_worker.simulator.api.endpoints.endpoint import Endpoint, creates, lists, retrieves, updates
from payment_worker.simulator.api.parameters.account_schemas import UPDATE_WEBHOOK_ENDPOINT, WEBHOOK_ENDPOINT
from payment_worker.simulator.api.parameters.checks import boolean, strings, text
from payment_worker.simulator.api.parameters.schemas import EXPAND
from payment_worker.simulator.resources import accounts, event_lists, webhook_endpoints
from payment_worker.simulator.resources.balance.endpoints import ENDPOINTS as BALANCE
from payment_worker.simulator.resources.payers.endpoints import ENDPOINTS as CUSTOMERS
from payment_worker.simulator.resources.payments.endpoints import ENDPOINTS as PAYMENTS

_HOOKS, _HOOK = "webhook_endpoints", "webhook_endpoint"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("account.retrieve", "GET", "/v1/account", accounts.retrieve, "account", EXPAND),
    *PAYMENTS,
    *BALANCE,
    *CUSTOMERS,
    lists("events", event_lists.list_events, "event", delivery_success=boolean, type=text(), types=strings),
    retrieves("events", event_lists.retrieve, "event"),
    creates(_HOOKS, webhook_endpoints.create, _HOOK, WEBHOOK_ENDPOINT, "enabled_events", "url"),
    lists(_HOOKS, webhook_endpoints.list_endpoints, _HOOK),
    retrieves(_HOOKS, webhook_endpoints.retrieve, _HOOK),
    updates(_HOOKS, webhook_endpoints.update, _HOOK, UPDATE_WEBHOOK_ENDPOINT),
    Endpoint(f"{_HOOKS}.delete", "DELETE", f"/v1/{_HOOKS}/{{id}}", webhook_endpoints.delete, _HOOK),
)

_FIXED = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS if "{id}" not in endpoint.path}
_VARIABLE = {
    (endpoint.method, *endpoint.path.split("/{id}")): endpoint
    for endpoint in ENDPOINTS
    if "{id}" in endpoint.path
}
_BEFORE_ID = (3, 4)
"""Parts before an id: `/v1/refunds/{id}`, `/v1/radar/early_fraud_warnings/{id}`."""


def route(method: str, path: str) -> tuple[Endpoint, str] | None:
    """The endpoint at that path and the id in it, if any."""
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return fixed, ""
    parts = path.split("/")
    for before in _BEFORE_ID:
        rest = "".join(f"/{part}" for part in parts[before + 1 :])
        variable = _VARIABLE.get((method, "/".join(parts[:before]), rest))
        if variable is not None and parts[before:] and parts[before]:
            return variable, parts[before]
    return None


@cache
def stripe_operations() -> tuple[tuple[str, str], ...]:
    """Method and path of every operation of Stripe's v1 API, built here or not."""
    lines = files(__package__).joinpath("stripe_paths.txt").read_text().splitlines()
    return tuple((method, path) for method, _, path in (line.partition(" ") for line in lines))


def is_stripes(method: str, path: str) -> bool:
    """Whether Stripe has an operation there."""
    return any(
        method == known and re.fullmatch(template.replace("{id}", "[^/]+"), path)
        for known, template in stripe_operations()
    )
