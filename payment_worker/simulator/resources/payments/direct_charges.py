"""Charges made without a PaymentIntent, as apps did before there were any: `POST /v1/charges`."""

from typing import Any

from payment_worker.simulator.api.errors import RequestError, invalid_request
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.payers.customers import check_customer
from payment_worker.simulator.resources.payers.payment_methods import method_for
from payment_worker.simulator.resources.payers.test_methods import AUTHENTICATION_REQUIRED, TOKENS
from payment_worker.simulator.resources.payments import charges
from payment_worker.simulator.resources.payments.confirmation import failure
from payment_worker.simulator.resources.payments.currencies import check_amount, checked_currency
from payment_worker.simulator.state import Context, Json, change


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """Charge a test token (`source=tok_visa`). Raises RequestError; 402 for a decline."""
    currency = checked_currency(params["currency"])
    check_amount(params["amount"], currency)
    check_customer(context, params.get("customer"))
    method, behaviour = method_for(context, _test_id(params), param="source")
    record = charges.new_charge(
        context, _as_intent(context, params, currency), method, behaviour, status="succeeded"
    )
    context.object_id = record["id"]
    why = AUTHENTICATION_REQUIRED if behaviour.authentication else behaviour.decline
    if why is not None:
        charges.decline(record, why)
        emit(context, "charge.failed", record)
        raise RequestError(402, failure(why, method, record["id"]), is_kept=True)
    if params.get("capture", True):
        charges.take(context, record, params["amount"], at_once=True)
    emit(context, "charge.succeeded", record)
    return record


def _test_id(params: dict[str, Any]) -> str:
    source = params.get("source")
    if source is None and "customer" in params:
        raise invalid_request("Cannot charge a customer that has no active card", code="missing", status=402)
    if source is None:
        raise invalid_request("Must provide source or customer.", param="source", code="parameter_missing")
    return TOKENS.get(source, str(source))


def _as_intent(context: Context, params: dict[str, Any], currency: str) -> Json:
    """What a charge takes over from its PaymentIntent, of which there is none."""
    taken = ("customer", "description", "receipt_email", "shipping", "statement_descriptor_suffix")
    return {
        **{name: params.get(name) for name in taken},
        "id": None,
        "amount": params["amount"],
        "capture_method": "automatic" if params.get("capture", True) else "manual",
        "created": context.now,
        "currency": currency,
        "livemode": context.account.livemode,
        "metadata": merged_metadata({}, params.get("metadata")),
    }


def capture(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Take what was authorised, or a part. Raises RequestError."""
    record = charges.retrieve(context, object_id, {})
    context.object_id = object_id
    if record["captured"] or record["status"] != "succeeded":
        raise invalid_request(
            f"Charge {object_id} has already been captured.", code="charge_already_captured", is_kept=True
        )
    if record["payment_intent"] is not None:
        raise invalid_request("This charge belongs to a PaymentIntent: capture the PaymentIntent instead.")
    amount: int = params["amount"] if "amount" in params else record["amount"]
    if not 1 <= amount <= record["amount"]:
        raise invalid_request("Invalid amount to capture.", param="amount", code="amount_too_large")
    charges.take(context, record, amount, at_once=True)
    emit(context, "charge.captured", record)
    return record


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change its description or metadata. Raises RequestError."""
    record = charges.retrieve(context, object_id, {})
    check_customer(context, params.get("customer"))
    names = ("customer", "description", "receipt_email", "shipping")
    new = {name: params[name] for name in names if name in params}
    previous = change(record, **new, metadata=merged_metadata(record["metadata"], params.get("metadata")))
    context.object_id = object_id
    emit(context, "charge.updated", record, previous)
    return record
