"""SetupIntents: a payment method is checked and saved for later, nothing is charged."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import RequestError, invalid_request
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.resources.payers.authentication import next_action
from payment_worker.simulator.resources.payers.customers import check_customer
from payment_worker.simulator.resources.payers.payment_methods import method_for
from payment_worker.simulator.resources.payers.test_methods import (
    AUTHENTICATION_FAILED,
    Behaviour,
    Decline,
)
from payment_worker.simulator.resources.payments.confirmation import failure
from payment_worker.simulator.state import Context, Json, change

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A new SetupIntent, confirmed at once if so asked. Raises RequestError; 402 for a decline."""
    check_customer(context, params.get("customer"))
    object_id = context.new_id("seti_1")
    record: Json = {
        "id": object_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": params.get("automatic_payment_methods"),
        "cancellation_reason": None,
        "client_secret": f"{object_id}_secret_{context.new_id('s')}",
        "created": context.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": context.account.livemode,
        "mandate": None,
        "metadata": merged_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": None,
        "payment_method_types": params.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    if "payment_method" in params:
        _choose(context, record, params["payment_method"])
    elif params.get("confirm"):
        raise _without_method()
    context.account.setup_intents[object_id] = record
    context.object_id = object_id
    emit(context, "setup_intent.created", record)
    return _confirm(context, record, params) if params.get("confirm") else record


def _choose(context: Context, record: Json, token: str) -> None:
    method, behaviour = method_for(context, token)
    types = record["payment_method_types"]
    if behaviour.kind not in types:
        raise invalid_request(
            f"The PaymentMethod provided ({behaviour.kind}) is not allowed for this SetupIntent. "
            f"Attach one of these types: {', '.join(types)}.",
            param="payment_method",
        )
    change(record, payment_method=method["id"], status="requires_confirmation")


def _without_method() -> RequestError:
    return invalid_request(
        "You cannot confirm this SetupIntent because it's missing a payment method.",
        code="setup_intent_unexpected_state",
    )


def confirm(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Check the payment method and save it. Raises RequestError; 402 for a decline."""
    record = retrieve(context, object_id, {})
    if record["status"] not in _OPEN:
        raise _unexpected(record, "confirm")
    if "payment_method" in params:
        _choose(context, record, params["payment_method"])
    if record["payment_method"] is None:
        raise _without_method()
    return _confirm(context, record, params)


def _confirm(context: Context, record: Json, params: dict[str, Any]) -> Json:
    behaviour = context.account.behaviours[record["payment_method"]]
    if not behaviour.authentication:
        return save(context, record, behaviour)
    change(record, status="requires_action", next_action=next_action(record["id"], params.get("return_url")))
    emit(context, "setup_intent.requires_action", record)
    return record


def save(context: Context, record: Json, behaviour: Behaviour) -> Json:
    """The payment method is good, and its customer's. Raises RequestError, 402, where the bank declines."""
    if behaviour.decline is not None and behaviour.can_be_saved is False:
        raise RequestError(
            402, {**_fail(context, record, behaviour.decline), "setup_intent": record}, is_kept=True
        )
    method = context.account.payment_methods[record["payment_method"]]
    if record["customer"] is not None and method["customer"] is None:
        change(method, customer=record["customer"])
        emit(context, "payment_method.attached", method)
    change(record, status="succeeded", next_action=None, last_setup_error=None)
    emit(context, "setup_intent.succeeded", record)
    return record


def fail_authentication(context: Context, record: Json) -> None:
    """The customer did not authenticate."""
    _fail(context, record, AUTHENTICATION_FAILED.for_setup())


def _fail(context: Context, record: Json, why: Decline) -> Json:
    method = context.account.payment_methods[record["payment_method"]]
    error = failure(why, method, None)
    change(
        record,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=error,
    )
    emit(context, "setup_intent.setup_failed", record)
    return error


def cancel(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Give up. Raises RequestError once it is over."""
    record = retrieve(context, object_id, {})
    if record["status"] not in _OPEN:
        raise _unexpected(record, "cancel")
    reason = params.get("cancellation_reason")
    change(record, status="canceled", cancellation_reason=reason, next_action=None)
    emit(context, "setup_intent.canceled", record)
    return record


def _unexpected(record: Json, verb: str) -> RequestError:
    return invalid_request(
        f"You cannot {verb} this SetupIntent because it has a status of {record['status']}.",
        code="setup_intent_unexpected_state",
        is_kept=True,
        setup_intent=record,
    )


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change its customer, payment method, description or metadata. Raises RequestError."""
    record = retrieve(context, object_id, {})
    check_customer(context, params.get("customer"))
    if "payment_method" in params:
        if record["status"] not in _OPEN:
            raise _unexpected(record, "update")
        _choose(context, record, params["payment_method"])
    record |= {name: params[name] for name in ("customer", "description") if name in params}
    record["metadata"] = merged_metadata(record["metadata"], params.get("metadata"))
    context.changed = True
    return record


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The SetupIntent of that id."""
    return found(context, context.account.setup_intents, object_id, "setupintent", param="intent")


def list_intents(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of SetupIntents, of one customer or payment method if wanted."""
    return pagination.page(
        context.account.setup_intents,
        params,
        kind="setupintent",
        url="/v1/setup_intents",
        equal=("customer", "payment_method"),
    )
