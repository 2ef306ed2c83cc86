"""Payment methods: made of test ids and tokens, attached to customers."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import RequestError, invalid_request, no_such, not_built
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.payers.bank_debits import method_details
from payment_worker.simulator.resources.payers.customers import check_customer
from payment_worker.simulator.resources.payers.test_methods import (
    BANK_ACCOUNTS,
    TEST_METHODS,
    TOKENS,
    Behaviour,
)
from payment_worker.simulator.state import Context, Json, change

BILLING_DETAILS: Json = {
    "address": {
        "city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None,
    },
    "email": None, "name": None, "phone": None, "tax_id": None,
}  # fmt: skip
_NO_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None}
_EXPIRY = {"exp_month": 12, "exp_year": 2034}


def method_for(context: Context, token: str, *, param: str = "payment_method") -> tuple[Json, Behaviour]:
    """The payment method of that id, made anew from a test id as Stripe does, and how it behaves."""
    account = context.account
    if token in account.payment_methods:
        return account.payment_methods[token], account.behaviours[token]
    behaviour = TEST_METHODS.get(token)
    if behaviour is None:
        raise no_such("PaymentMethod", token, param=param)
    record: Json = {
        "id": context.new_id("pm_1"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": BILLING_DETAILS,
        "created": context.now,
        "customer": None,
        "customer_account": None,
        "livemode": context.account.livemode,
        "metadata": {},
        "type": behaviour.kind,
        behaviour.kind: _card(behaviour) if behaviour.kind == "card" else method_details(behaviour),
    }
    account.payment_methods[record["id"]] = record
    account.behaviours[record["id"]] = behaviour
    return record, behaviour


def _card(behaviour: Behaviour) -> Json:
    return {
        "brand": behaviour.brand,
        "checks": _NO_CHECKS,
        "country": "US",
        "display_brand": behaviour.brand,
        **_EXPIRY,
        "fingerprint": f"sim{behaviour.brand}{behaviour.last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": behaviour.last4,
        "networks": {"available": [behaviour.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The payment method of that id."""
    try:
        return method_for(context, object_id)[0]
    except RequestError as error:
        raise no_such("PaymentMethod", object_id, param="payment_method", status=404) from error


def attach(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """The payment method belongs to a customer from now on."""
    check_customer(context, params["customer"])
    record, _ = method_for(context, object_id)
    record["customer"] = params["customer"]
    emit(context, "payment_method.attached", record)
    return record


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A payment method of a test token (`card[token]=tok_visa`) or test bank account number."""
    if "payment_method" in params:
        raise not_built("Cloning a payment method to a connected account")
    record, _ = method_for(context, _test_id(params), param="type")
    record["billing_details"] = _billing_details(record, params)
    record["metadata"] = merged_metadata({}, params.get("metadata"))
    record["allow_redisplay"] = params.get("allow_redisplay", "unspecified")
    return record


def _test_id(params: dict[str, Any]) -> str:
    kind = params.get("type")
    given = params.get(kind, {}) if isinstance(kind, str) else {}
    match kind:
        case "card" if "number" in given:
            raise invalid_request(
                "Sending credit card numbers directly to the Stripe API is generally unsafe. Use test tokens, such "
                "as card[token]=tok_visa.",
                status=402,
            )
        case "card" if given.get("token") in TOKENS:
            return TOKENS[given["token"]]
        case "card":
            raise no_such("token", str(given.get("token")), param="card[token]")
        case "us_bank_account" if given.get("account_number") in BANK_ACCOUNTS:
            return BANK_ACCOUNTS[given["account_number"]]
        case "us_bank_account":
            raise invalid_request(
                "You must use a test bank account number.", param="us_bank_account[account_number]"
            )
        case None:
            raise invalid_request("Missing required param: type.", param="type", code="parameter_missing")
        case _:
            raise not_built(f"Payment methods of type {kind}")


def _billing_details(record: Json, params: dict[str, Any]) -> Json:
    given = params.get("billing_details", {})
    address = {**record["billing_details"]["address"], **given.get("address", {})}
    return {**record["billing_details"], **given, "address": address}


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change billing details or metadata. Raises RequestError where it belongs to no customer."""
    record = retrieve(context, object_id, {})
    if record["customer"] is None:
        raise invalid_request("You must save this PaymentMethod to a customer before you can update it.")
    previous = change(
        record,
        allow_redisplay=params.get("allow_redisplay", record["allow_redisplay"]),
        billing_details=_billing_details(record, params),
        metadata=merged_metadata(record["metadata"], params.get("metadata")),
    )
    emit(context, "payment_method.updated", record, previous)
    return record


def detach(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The payment method belongs to its customer no more."""
    record = retrieve(context, object_id, {})
    if record["customer"] is None:
        raise invalid_request(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    previous = change(record, customer=None)
    emit(context, "payment_method.detached", record, previous)
    return record


def list_methods(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of the payment methods that belong to customers."""
    return _page(context, params, customer=params.get("customer"), url="/v1/payment_methods")


def list_of_customer(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """A page of one customer's payment methods. Raises RequestError."""
    check_customer(context, object_id)
    return _page(context, params, customer=object_id, url=f"/v1/customers/{object_id}/payment_methods")


def _page(context: Context, params: dict[str, Any], *, customer: str | None, url: str) -> Json:
    return pagination.page(
        context.account.payment_methods,
        params,
        kind="PaymentMethod",
        url=url,
        equal=("type",),
        keep=lambda record: record["customer"] is not None and customer in (None, record["customer"]),
    )
