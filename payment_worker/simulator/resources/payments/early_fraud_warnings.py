"""Early fraud warnings: a card's issuer reports a charge as fraud, and what ends the need to act on that."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.state import Context, Json, change

FRAUD_TYPE = "made_with_stolen_card"


def warn(context: Context, charge: Json, *, fraud_type: str = FRAUD_TYPE) -> Json:
    """The issuer reports a charge."""
    object_id = context.new_id("issfr_1")
    record: Json = {
        "id": object_id,
        "object": "radar.early_fraud_warning",
        "actionable": not (charge["disputed"] or charge["refunded"]),
        "charge": charge["id"],
        "created": context.now,
        "fraud_type": fraud_type,
        "livemode": charge["livemode"],
        "payment_intent": charge["payment_intent"],
    }
    context.account.early_fraud_warnings[object_id] = record
    context.object_id = object_id
    emit(context, "radar.early_fraud_warning.created", record)
    return record


def close_warnings(context: Context, charge: Json) -> None:
    """A charge was disputed or refunded in full: its warnings need no action any more."""
    for record in context.account.early_fraud_warnings.values():
        if record["charge"] == charge["id"] and record["actionable"]:
            previous = change(record, actionable=False)
            emit(context, "radar.early_fraud_warning.updated", record, previous)


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The warning of that id. Raises RequestError."""
    return found(
        context,
        context.account.early_fraud_warnings,
        object_id,
        "early fraud warning",
        param="early_fraud_warning",
    )


def list_warnings(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of warnings, of one charge or PaymentIntent if wanted."""
    return pagination.page(
        context.account.early_fraud_warnings,
        params,
        kind="early_fraud_warning",
        url="/v1/radar/early_fraud_warnings",
        equal=("charge", "payment_intent"),
    )
