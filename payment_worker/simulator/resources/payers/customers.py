"""Customers: create, update, retrieve, list."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import no_such
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.state import Context, Json, change


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
    return found(context, context.account.customers, object_id, "customer")


def list_customers(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of customers, all or those of one e-mail address."""
    return pagination.page(
        context.account.customers,
        params,
        kind="customer",
        url="/v1/customers",
        equal=("email",),
    )


def check_customer(context: Context, customer: str | None) -> None:
    """Raises RequestError when a parameter names a customer this account does not have."""
    if customer is not None and customer not in context.account.customers:
        raise no_such("customer", customer, param="customer")


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change name, addresses, default payment method or metadata."""
    record = retrieve(context, object_id, {})
    new: Json = {
        name: params[name] for name in ("address", "description", "email", "name", "phone") if name in params
    }
    default = params.get("invoice_settings", {}).get("default_payment_method")
    if default is not None:
        new["invoice_settings"] = {**record["invoice_settings"], "default_payment_method": default}
    previous = change(record, **new, metadata=merged_metadata(record["metadata"], params.get("metadata")))
    emit(context, "customer.updated", record, previous)
    return record
