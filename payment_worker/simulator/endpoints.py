"""Stripe's endpoints: what answers where, and which parameters it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from payment_worker.simulator import (
    balance,
    capturing,
    charges,
    customers,
    disputes,
    event_lists,
    listing,
    payment_intents,
    refunds,
)
from payment_worker.simulator.parameters import (
    Check,
    anything,
    boolean,
    clearable,
    integer,
    mapping,
    metadata,
    off_session,
    one_of,
    strings,
    text,
)
from payment_worker.simulator.world import Act, Json

Handler = Callable[[Act, str, dict[str, Any]], Json]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation; `{id}` in the path is the only variable part."""

    name: str
    method: str
    path: str
    handler: Handler
    kind: str
    accepts: dict[str, Check] = field(default_factory=dict)
    requires: tuple[str, ...] = ()

    @property
    def lists(self) -> bool:
        """Whether it answers a list."""
        return self.name.endswith(".list")


_DESCRIPTOR = clearable(text(22))
_TYPES = one_of("automatic", "automatic_async", "manual")
_FUTURE = clearable(one_of("off_session", "on_session"))
_EXPAND: dict[str, Check] = {"expand": strings}

_CONFIRM: dict[str, Check] = {
    **_EXPAND,
    **dict.fromkeys(
        (
            "allowed_payment_method_types", "amount_details", "amount_to_confirm", "confirmation_token",
            "excluded_payment_method_types", "hooks", "mandate", "mandate_data", "payment_details",
            "payment_method_data", "payment_method_options", "radar_options", "shipping",
        ),
        anything,
    ),
    "capture_method": _TYPES,
    "error_on_requires_action": boolean,
    "off_session": off_session,
    "payment_method": text(),
    "receipt_email": clearable(text()),
    "return_url": text(),
    "setup_future_usage": _FUTURE,
    "use_stripe_sdk": boolean,
}  # fmt: skip
_CREATE: dict[str, Check] = {
    **{name: check for name, check in _CONFIRM.items() if name != "amount_to_confirm"},
    **dict.fromkeys(
        (
            "application_fee_amount", "customer_account", "on_behalf_of", "payment_method_configuration",
            "transfer_data", "transfer_group",
        ),
        anything,
    ),
    "allowed_payment_method_types": strings,
    "amount": integer,
    "automatic_payment_methods": mapping(enabled=boolean, allow_redirects=one_of("always", "never")),
    "confirm": boolean,
    "confirmation_method": one_of("automatic", "manual"),
    "currency": text(),
    "customer": text(),
    "description": text(1000),
    "metadata": metadata,
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}  # fmt: skip
_UPDATE: dict[str, Check] = {
    **dict.fromkeys(
        (
            "allowed_payment_method_types", "amount_details", "application_fee_amount", "customer_account",
            "excluded_payment_method_types", "hooks", "payment_details", "payment_method_configuration",
            "payment_method_data", "payment_method_options", "shipping", "transfer_data", "transfer_group",
        ),
        anything,
    ),
    **_EXPAND,
    **{name: _CREATE[name] for name in ("amount", "capture_method", "currency", "customer", "metadata")},
    "description": clearable(text(1000)),
    "payment_method": clearable(text()),
    "receipt_email": clearable(text()),
    "setup_future_usage": _FUTURE,
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}  # fmt: skip
_CAPTURE: dict[str, Check] = {
    **_EXPAND,
    **dict.fromkeys(
        ("amount_details", "application_fee_amount", "hooks", "payment_details", "transfer_data"), anything
    ),
    "amount_to_capture": integer,
    "final_capture": boolean,
    "metadata": metadata,
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CANCEL: dict[str, Check] = {**_EXPAND, "cancellation_reason": one_of("abandoned", *_REASONS)}
_REFUND: dict[str, Check] = {
    **_EXPAND,
    **dict.fromkeys(
        (
            "currency",
            "customer",
            "instructions_email",
            "origin",
            "refund_application_fee",
            "reverse_transfer",
        ),
        anything,
    ),
    "amount": integer,
    "charge": text(),
    "metadata": metadata,
    "payment_intent": text(),
    "reason": one_of(*_REASONS),
}
_CUSTOMER: dict[str, Check] = {
    **_EXPAND,
    **dict.fromkeys(
        ("address", "invoice_settings", "payment_method", "preferred_locales", "shipping"), anything
    ),
    **{name: clearable(text()) for name in ("description", "email", "name", "phone")},
    "metadata": metadata,
}


def _listed(**more: Check) -> dict[str, Check]:
    return {**listing.ACCEPTED, **more}


def _list_of(name: str, handler: Handler, kind: str, **more: Check) -> Endpoint:
    return Endpoint(f"{name}.list", "GET", f"/v1/{name}", handler, kind, _listed(**more))


def _one_of(name: str, handler: Handler, kind: str) -> Endpoint:
    return Endpoint(f"{name}.retrieve", "GET", f"/v1/{name}/{{id}}", handler, kind, _EXPAND)


_INTENTS = "/v1/payment_intents"
_INTENT = "payment_intent"
_INTENT_RETRIEVE: dict[str, Check] = {**_EXPAND, "client_secret": text()}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "payment_intents.create",
        "POST",
        _INTENTS,
        payment_intents.create,
        _INTENT,
        _CREATE,
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
    Endpoint(
        "payment_intents.update", "POST", f"{_INTENTS}/{{id}}", payment_intents.update, _INTENT, _UPDATE
    ),
    Endpoint(
        "payment_intents.confirm",
        "POST",
        f"{_INTENTS}/{{id}}/confirm",
        payment_intents.confirm,
        _INTENT,
        _CONFIRM,
    ),
    Endpoint(
        "payment_intents.capture", "POST", f"{_INTENTS}/{{id}}/capture", capturing.capture, _INTENT, _CAPTURE
    ),
    Endpoint(
        "payment_intents.cancel", "POST", f"{_INTENTS}/{{id}}/cancel", capturing.cancel, _INTENT, _CANCEL
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
    Endpoint("refunds.create", "POST", "/v1/refunds", refunds.create, "refund", _REFUND),
    _list_of("refunds", refunds.list_refunds, "refund", charge=text(), payment_intent=text()),
    _one_of("refunds", refunds.retrieve, "refund"),
    Endpoint(
        "refunds.update",
        "POST",
        "/v1/refunds/{id}",
        refunds.update,
        "refund",
        {**_EXPAND, "metadata": metadata},
    ),
    Endpoint("refunds.cancel", "POST", "/v1/refunds/{id}/cancel", refunds.cancel, "refund", _EXPAND),
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
        {**_EXPAND, "evidence": anything, "metadata": metadata, "submit": boolean},
    ),
    Endpoint("disputes.close", "POST", "/v1/disputes/{id}/close", disputes.close, "dispute", _EXPAND),
    Endpoint("customers.create", "POST", "/v1/customers", customers.create, "customer", _CUSTOMER),
    _list_of("customers", customers.list_customers, "customer", email=text()),
    _one_of("customers", customers.retrieve, "customer"),
    _one_of("payment_methods", customers.retrieve_method, "payment_method"),
    Endpoint(
        "payment_methods.attach",
        "POST",
        "/v1/payment_methods/{id}/attach",
        customers.attach,
        "payment_method",
        {**_EXPAND, "customer": text()},
        ("customer",),
    ),
    Endpoint("account.retrieve", "GET", "/v1/account", balance.retrieve_account, "account", _EXPAND),
    Endpoint("balance.retrieve", "GET", "/v1/balance", balance.retrieve_balance, "balance", _EXPAND),
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
