"""Customers and their payment methods."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import RequestError, no_such
from payment_worker.simulator.api.parameters import merged_metadata
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.payment_methods import TEST_METHODS, Behaviour
from payment_worker.simulator.state import Context, Json

BILLING_DETAILS: Json = {
    "address": {
        "city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None,
    },
    "email": None, "name": None, "phone": None, "tax_id": None,
}  # fmt: skip
_NO_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None}
_EXPIRY = {"exp_month": 12, "exp_year": 2034}


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A new customer."""
    record: Json = {
        "id": context.new_id("cus_"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": context.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": params.get("description"),
        "discount": None,
        "email": params.get("email"),
        "invoice_prefix": "SIMULATE",
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": context.account.livemode,
        "metadata": merged_metadata({}, params.get("metadata")),
        "name": params.get("name"),
        "next_invoice_sequence": 1,
        "phone": params.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    context.account.customers[record["id"]] = record
    emit(context, "customer.created", record)
    return record


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The customer of that id."""
    if object_id not in context.account.customers:
        raise no_such("customer", object_id, param="id", status=404)
    return context.account.customers[object_id]


def list_customers(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of customers, all or those of one e-mail address."""
    email = params.get("email")
    return pagination.page(
        context.account.customers,
        params,
        kind="customer",
        url="/v1/customers",
        keep=lambda record: email in (None, record["email"]),
    )


def check_customer(context: Context, customer: str | None) -> None:
    """Raises RequestError when a parameter names a customer this account does not have."""
    if customer is not None and customer not in context.account.customers:
        raise no_such("customer", customer, param="customer")


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
        behaviour.kind: _bank(behaviour) if behaviour.kind == "us_bank_account" else _card(behaviour),
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


def _bank(behaviour: Behaviour) -> Json:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": f"simbank{behaviour.last4}",
        "last4": behaviour.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }


def retrieve_method(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
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
