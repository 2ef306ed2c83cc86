"""PaymentIntents: create, update, confirm, retrieve, list. Capture and cancel are in `capture_and_cancel`."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found_intent
from payment_worker.simulator.resources.payers import confirmation_tokens
from payment_worker.simulator.resources.payers.bank_debits import types_in
from payment_worker.simulator.resources.payers.customers import check_customer
from payment_worker.simulator.resources.payers.payment_methods import method_for
from payment_worker.simulator.resources.payments import connect
from payment_worker.simulator.resources.payments.confirmation import allowed_types, confirm_intent
from payment_worker.simulator.resources.payments.currencies import check_amount, checked_currency
from payment_worker.simulator.state import Context, Json

ONLY_WITH_CONFIRM = (
    "off_session",
    "error_on_requires_action",
    "return_url",
    "mandate_data",
    "use_stripe_sdk",
)
_UPDATABLE_STATUSES = ("requires_payment_method", "requires_confirmation", "requires_action")
_PLAIN = ("description", "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix")


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A new PaymentIntent, confirmed at once if so asked. A decline is an error and leaves the PaymentIntent."""
    params = confirmation_tokens.filled(context, params)
    currency = checked_currency(params["currency"])
    check_amount(params["amount"], currency)
    check_customer(context, params.get("customer"))
    _check_confirmation(params)
    connect.check(context, params)
    record = _new(context, params, currency)
    if "payment_method" in params:
        method, behaviour = method_for(context, params["payment_method"])
        allowed_types(record, behaviour.kind)
        record["payment_method"] = method["id"]
        record["status"] = "requires_confirmation"
        params = {**params, "payment_method": method["id"]}
    context.account.payment_intents[record["id"]] = record
    context.object_id = record["id"]
    confirmation_tokens.use(context, params, record)
    emit(context, "payment_intent.created", record)
    return confirm_intent(context, record, params) if params.get("confirm") else record


def _check_confirmation(params: dict[str, Any]) -> None:
    if not params.get("confirm"):
        for name in ONLY_WITH_CONFIRM:
            if name in params:
                raise invalid_request(
                    f"The parameter {name} can only be passed when confirm=true.", param=name
                )
        return
    if "payment_method" not in params:
        raise invalid_request(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    redirects = _automatic(params).get("allow_redirects") == "always" and params.get("return_url") is None
    if redirects and not params.get("off_session"):
        raise invalid_request(
            "This PaymentIntent accepts payment methods that might redirect: pass a return_url, or set "
            "automatic_payment_methods[allow_redirects] to never."
        )


def _automatic(params: dict[str, Any]) -> Json:
    """What `automatic_payment_methods` comes to: on by default, off when the types are named."""
    given = params.get("automatic_payment_methods")
    if given is None:
        named = "allowed_payment_method_types" in params or "payment_method_types" in params
        return {} if named else {"allow_redirects": "always", "enabled": True}
    return {"allow_redirects": given.get("allow_redirects", "always"), "enabled": given.get("enabled", True)}


def _multicapture(params: dict[str, Any]) -> Json:
    card = (params.get("payment_method_options") or {}).get("card") or {}
    asked = card.get("request_multicapture")
    return {"request_multicapture": asked} if asked else {}


def _new(context: Context, params: dict[str, Any], currency: str) -> Json:
    object_id = context.new_id("pi_3")
    named = params.get("allowed_payment_method_types") or params.get("payment_method_types")
    return {
        "id": object_id,
        "object": "payment_intent",
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "automatic_payment_methods": _automatic(params) or None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{object_id}_secret_{context.new_id('s')}",
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": context.now,
        "currency": currency,
        "customer": params.get("customer"),
        "customer_account": None,
        **{name: params.get(name) for name in _PLAIN},
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": context.account.livemode,
        "metadata": merged_metadata({}, params.get("metadata")),
        "next_action": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
                **_multicapture(params),
            }
        },
        "payment_method_types": named or types_in(currency),
        "processing": None,
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "source": None,
        "status": "requires_payment_method",
        **connect.terms(params),
    }


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The PaymentIntent of that id."""
    return found_intent(context, object_id)


def confirm(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Try to take the money. Raises RequestError, a decline among them."""
    intent, params = found_intent(context, object_id), confirmation_tokens.filled(context, params)
    confirmation_tokens.use(context, params, intent)
    return confirm_intent(context, intent, params)


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change what may be changed: metadata and description always, the rest until it is confirmed."""
    record = found_intent(context, object_id)
    free = {"metadata", "description", "expand", "receipt_email", "shipping"}
    if not free.issuperset(params) and record["status"] not in _UPDATABLE_STATUSES:
        raise invalid_request(
            f"This PaymentIntent's {min(set(params) - free)} could not be updated because it has a status of "
            f"{record['status']}.",
            code="payment_intent_unexpected_state",
            is_kept=True,
            payment_intent=record,
        )
    wanted = {name: record[name] for name in ("amount", "currency")} | params
    currency = checked_currency(wanted["currency"])
    check_amount(wanted["amount"], currency)
    check_customer(context, params.get("customer"))
    if params.get("payment_method") is not None:
        method, behaviour = method_for(context, params["payment_method"])
        allowed_types(record, behaviour.kind)
        record["payment_method"] = method["id"]
        if record["status"] == "requires_payment_method":
            record["status"] = "requires_confirmation"
    record |= {"amount": wanted["amount"], "currency": currency}
    record |= {name: params[name] for name in (*_PLAIN, "customer", "capture_method") if name in params}
    record["metadata"] = merged_metadata(record["metadata"], params.get("metadata"))
    context.changed = True
    return record


def list_intents(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of PaymentIntents, of one customer if wanted."""
    return pagination.page(
        context.account.payment_intents,
        params,
        kind="payment_intent",
        url="/v1/payment_intents",
        equal=("customer",),
    )
