"""The table of Stripe's endpoints: method, path, handler and parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.parameters import Check, anything, boolean, metadata, strings, text
from payment_worker.simulator.api.schemas import (
    CANCEL,
    CAPTURE,
    CONFIRM,
    CREATE,
    CUSTOMER,
    EXPAND,
    REFUND,
    UPDATE,
)
from payment_worker.simulator.resources import (
    authorizations,
    balance,
    charges,
    customers,
    disputes,
    event_lists,
    payment_intents,
    refunds,
)
from payment_worker.simulator.state import Context, Json

Handler = Callable[[Context, str, dict[str, Any]], Json]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation; `{id}` in the path is the only variable part."""

    name: str
    method: str
    path: str
    handler: Handler
    kind: str
    parameters: dict[str, Check] = field(default_factory=dict)
    requires: tuple[str, ...] = ()

    @property
    def lists(self) -> bool:
        """Whether it answers a list."""
        return self.name.endswith(".list")


def _listed(**more: Check) -> dict[str, Check]:
    return {**pagination.PARAMETERS, **more}


def _list_of(name: str, handler: Handler, kind: str, **more: Check) -> Endpoint:
    return Endpoint(f"{name}.list", "GET", f"/v1/{name}", handler, kind, _listed(**more))


def _one_of(name: str, handler: Handler, kind: str) -> Endpoint:
    return Endpoint(f"{name}.retrieve", "GET", f"/v1/{name}/{{id}}", handler, kind, EXPAND)


_INTENTS = "/v1/payment_intents"
_INTENT = "payment_intent"
_INTENT_RETRIEVE: dict[str, Check] = {**EXPAND, "client_secret": text()}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "payment_intents.create",
        "POST",
        _INTENTS,
        payment_intents.create,
        _INTENT,
        CREATE,
        ("amount", "currency"),
    ),
    _list_of(
        "payment_intents", payment_intents.list_intents, _INTENT, customer=text(), customer_account=text()
    ),
    Endpoint(
        "payment_intents.retrieve",
        "GET",
        f"{_INTENTS}/{{id}}",
        payment_intents.retrieve,
        _INTENT,
        _INTENT_RETRIEVE,
    ),
    Endpoint("payment_intents.update", "POST", f"{_INTENTS}/{{id}}", payment_intents.update, _INTENT, UPDATE),
    Endpoint(
        "payment_intents.confirm",
        "POST",
        f"{_INTENTS}/{{id}}/confirm",
        payment_intents.confirm,
        _INTENT,
        CONFIRM,
    ),
    Endpoint(
        "payment_intents.capture",
        "POST",
        f"{_INTENTS}/{{id}}/capture",
        authorizations.capture,
        _INTENT,
        CAPTURE,
    ),
    Endpoint(
        "payment_intents.cancel", "POST", f"{_INTENTS}/{{id}}/cancel", authorizations.cancel, _INTENT, CANCEL
    ),
    _list_of(
        "charges",
        charges.list_charges,
        "charge",
        customer=text(),
        payment_intent=text(),
        transfer_group=text(),
    ),
    _one_of("charges", charges.retrieve, "charge"),
    Endpoint("refunds.create", "POST", "/v1/refunds", refunds.create, "refund", REFUND),
    _list_of("refunds", refunds.list_refunds, "refund", charge=text(), payment_intent=text()),
    _one_of("refunds", refunds.retrieve, "refund"),
    Endpoint(
        "refunds.update",
        "POST",
        "/v1/refunds/{id}",
        refunds.update,
        "refund",
        {**EXPAND, "metadata": metadata},
    ),
    Endpoint("refunds.cancel", "POST", "/v1/refunds/{id}/cancel", refunds.cancel, "refund", EXPAND),
    _list_of(
        "events", event_lists.list_events, "event", delivery_success=boolean, type=text(), types=strings
    ),
    _one_of("events", event_lists.retrieve, "event"),
    _list_of(
        "balance_transactions",
        balance.list_transactions,
        "balance_transaction",
        currency=text(),
        payout=text(),
        source=text(),
        type=text(),
    ),
    _one_of("balance_transactions", balance.retrieve_transaction, "balance_transaction"),
    _list_of("disputes", disputes.list_disputes, "dispute", charge=text(), payment_intent=text()),
    _one_of("disputes", disputes.retrieve, "dispute"),
    Endpoint(
        "disputes.update",
        "POST",
        "/v1/disputes/{id}",
        disputes.update,
        "dispute",
        {**EXPAND, "evidence": anything, "metadata": metadata, "submit": boolean},
    ),
    Endpoint("disputes.close", "POST", "/v1/disputes/{id}/close", disputes.close, "dispute", EXPAND),
    Endpoint("customers.create", "POST", "/v1/customers", customers.create, "customer", CUSTOMER),
    _list_of("customers", customers.list_customers, "customer", email=text()),
    _one_of("customers", customers.retrieve, "customer"),
    _one_of("payment_methods", customers.retrieve_method, "payment_method"),
    Endpoint(
        "payment_methods.attach",
        "POST",
        "/v1/payment_methods/{id}/attach",
        customers.attach,
        "payment_method",
        {**EXPAND, "customer": text()},
        ("customer",),
    ),
    Endpoint("account.retrieve", "GET", "/v1/account", balance.retrieve_account, "account", EXPAND),
    Endpoint("balance.retrieve", "GET", "/v1/balance", balance.retrieve_balance, "balance", EXPAND),
)

_FIXED = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS if "{id}" not in endpoint.path}
_VARIABLE = {
    (endpoint.method, *endpoint.path.split("/{id}")): endpoint
    for endpoint in ENDPOINTS
    if "{id}" in endpoint.path
}
_PARTS_WITH_ID = 4


def route(method: str, path: str) -> tuple[Endpoint, str] | None:
    """The endpoint at that path and the id in it, if any."""
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return fixed, ""
    parts = path.split("/", _PARTS_WITH_ID)
    if len(parts) < _PARTS_WITH_ID or not parts[3]:
        return None
    rest = f"/{parts[4]}" if len(parts) > _PARTS_WITH_ID else ""
    variable = _VARIABLE.get((method, f"/{parts[1]}/{parts[2]}", rest))
    return None if variable is None else (variable, parts[3])
