"""Refunds: created, pending, succeeded, failed, canceled."""

from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.api.parameters.metadata import merged_metadata
from payment_worker.simulator.resources.balance.balance_transactions import book
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.resources.payments import connect
from payment_worker.simulator.resources.payments.early_fraud_warnings import close_warnings
from payment_worker.simulator.resources.payments.refund_rules import charge_of, checked_amount
from payment_worker.simulator.state import Context, Json, change


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """Give money back from a charge or a PaymentIntent's charge. Raises RequestError."""
    charge = charge_of(context, params)
    amount = checked_amount(context, charge, params.get("amount"))
    connect.check_refund(charge, params)
    behaviour = context.account.behaviours[charge["payment_method"]]
    status = "pending" if behaviour.refund == "pending" else "succeeded"
    record = _new(context, charge, amount, status, params)
    previous = change(
        charge,
        amount_refunded=charge["amount_refunded"] + amount,
        refunded=charge["amount_refunded"] + amount == charge["amount_captured"],
    )
    connect.take_back(context, charge, record, params)
    emit(context, "charge.refunded", charge, previous)
    emit(context, "refund.created", record)
    emit(context, "charge.refund.updated", record)
    if charge["refunded"]:
        close_warnings(context, charge)
    _go_on(context, record, behaviour.refund)
    return record


def _new(context: Context, charge: Json, amount: int, status: str, params: dict[str, Any]) -> Json:
    object_id = context.new_id("re_3")
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    kind = charge["payment_method_details"]["type"]
    record: Json = {
        "id": object_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": _book(
            context, charge, -amount, object_id, "refund" if kind == "card" else "payment_refund"
        ),
        "charge": charge["id"],
        "created": context.now,
        "currency": charge["currency"],
        "destination_details": {"card": card, "type": "card"} if kind == "card" else {"type": kind, kind: {}},
        "metadata": merged_metadata({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    if status == "pending":
        record["pending_reason"] = "processing"
    context.account.refunds[object_id] = record
    context.account.refunds_of.setdefault(charge["id"], []).append(object_id)
    context.object_id = object_id
    return record


def _book(context: Context, charge: Json, amount: int, source: str, kind: str) -> str:
    return book(
        context,
        amount=amount,
        fee=0,
        currency=charge["currency"],
        kind=kind,
        source=source,
        why=charge["description"],
    )


def _go_on(context: Context, record: Json, nature: str) -> None:
    settings = context.state.settings
    if nature == "pending":
        context.schedule(settings.pending_refund_delay_seconds, lambda then: succeed(then, record))
    elif nature == "fails":
        context.schedule(settings.refund_failure_delay_seconds, lambda then: fail(then, record))
    else:
        context.schedule(settings.refund_reference_delay_seconds, lambda then: _reference(then, record))


def _reference(context: Context, record: Json) -> None:
    details = record["destination_details"]
    if record["status"] != "succeeded" or "card" not in details:
        return
    card = {**details["card"], "reference": "7420000000000000", "reference_status": "available"}
    previous = change(record, destination_details={**details, "card": card})
    emit(context, "refund.updated", record, previous)
    emit(context, "charge.refund.updated", record, previous)


def wait(context: Context, record: Json, *, reason: str) -> None:
    """A pending refund waits for something else; nothing if it is not pending."""
    if record["status"] == "pending":
        previous = change(record, pending_reason=reason)
        emit(context, "refund.updated", record, previous)
        emit(context, "charge.refund.updated", record, previous)


def succeed(context: Context, record: Json) -> None:
    """The bank took a pending refund; nothing if it is not pending."""
    if record["status"] in ("pending", "requires_action"):
        previous = change(record, status="succeeded")
        record.pop("pending_reason", None)
        emit(context, "refund.updated", record, previous)
        emit(context, "charge.refund.updated", record, previous)


def fail(context: Context, record: Json, *, reason: str = "lost_or_stolen_card") -> None:
    """The bank sent the money back, days later perhaps; it is the charge's again. Nothing if over already."""
    if record["status"] in ("failed", "canceled"):
        return
    previous = change(record, status="failed")
    record["failure_reason"] = reason
    _give_back(context, record)
    emit(context, "refund.failed", record)
    emit(context, "refund.updated", record, previous)
    emit(context, "charge.refund.updated", record, previous)


def cancel(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """Call a refund back that is not under way. Raises RequestError for any other."""
    record = retrieve(context, object_id, {})
    if record["status"] not in ("pending", "requires_action"):
        raise invalid_request(
            f"This refund has a status of {record['status']} and cannot be canceled.", is_kept=True
        )
    previous = change(record, status="canceled")
    record.pop("pending_reason", None)
    _give_back(context, record)
    emit(context, "refund.updated", record, previous)
    emit(context, "charge.refund.updated", record, previous)
    return record


def _give_back(context: Context, record: Json) -> None:
    charge = context.account.charges[record["charge"]]
    is_card = charge["payment_method_details"]["type"] == "card"
    kind = "refund_failure" if is_card else "payment_failure_refund"
    record["failure_balance_transaction"] = _book(context, charge, record["amount"], record["id"], kind)
    previous = change(charge, amount_refunded=charge["amount_refunded"] - record["amount"], refunded=False)
    emit(context, "charge.updated", charge, previous)


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The refund of that id."""
    return found(context, context.account.refunds, object_id, "refund")


def update(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Change its metadata."""
    record = retrieve(context, object_id, {})
    previous = change(record, metadata=merged_metadata(record["metadata"], params.get("metadata")))
    emit(context, "refund.updated", record, previous)
    return record


def list_refunds(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of refunds, of one charge or PaymentIntent if wanted."""
    account = context.account
    chosen = account.refunds
    charges = (
        [params["charge"]] if "charge" in params else account.charges_of.get(params.get("payment_intent", ""))
    )
    if "charge" in params or "payment_intent" in params:
        ids = [refund for charge in charges or () for refund in account.refunds_of.get(charge, ())]
        chosen = {refund: account.refunds[refund] for refund in ids}
    return pagination.page(chosen, params, kind="refund", url="/v1/refunds")
