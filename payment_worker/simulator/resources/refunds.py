"""Refunds: how they begin, how they go on, and what a failure gives back."""

from typing import Any

from payment_worker.simulator.api import listing
from payment_worker.simulator.api.parameters import merged_metadata
from payment_worker.simulator.api.refusals import bad_request, no_such
from payment_worker.simulator.resources.balance import book
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.refund_rules import charge_of, checked_amount
from payment_worker.simulator.world import Act, Json, change


def create(act: Act, _object_id: str, params: dict[str, Any]) -> Json:
    """Give money back from a charge or a PaymentIntent's charge. Raises a refusal."""
    charge = charge_of(act, params)
    amount = checked_amount(act, charge, params.get("amount"))
    behaviour = act.account.behaviours[charge["payment_method"]]
    status = "pending" if behaviour.refund == "pending" else "succeeded"
    record = _new(act, charge, amount, status, params)
    previous = change(
        charge,
        amount_refunded=charge["amount_refunded"] + amount,
        refunded=charge["amount_refunded"] + amount == charge["amount_captured"],
    )
    emit(act, "charge.refunded", charge, previous)
    emit(act, "refund.created", record)
    emit(act, "charge.refund.updated", record)
    _go_on(act, record, behaviour.refund)
    return record


def _new(act: Act, charge: Json, amount: int, status: str, params: dict[str, Any]) -> Json:
    object_id = act.new_id("re_3")
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    kind = charge["payment_method_details"]["type"]
    record: Json = {
        "id": object_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": _book(act, charge, -amount, object_id, "refund"),
        "charge": charge["id"],
        "created": act.now,
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
    act.account.refunds[object_id] = record
    act.account.refunds_of.setdefault(charge["id"], []).append(object_id)
    act.touched = object_id
    return record


def _book(act: Act, charge: Json, amount: int, source: str, kind: str) -> str:
    return book(
        act,
        amount=amount,
        fee=0,
        currency=charge["currency"],
        kind=kind,
        source=source,
        why=charge["description"],
    )


def _go_on(act: Act, record: Json, nature: str) -> None:
    settings = act.world.settings
    if nature == "pending":
        act.later(settings.pending_refund_delay_seconds, lambda then: succeed(then, record))
    elif nature == "fails":
        act.later(settings.refund_failure_delay_seconds, lambda then: fail(then, record))
    else:
        act.later(settings.refund_reference_delay_seconds, lambda then: _reference(then, record))


def _reference(act: Act, record: Json) -> None:
    details = record["destination_details"]
    if record["status"] != "succeeded" or "card" not in details:
        return
    card = {**details["card"], "reference": "7420000000000000", "reference_status": "available"}
    previous = change(record, destination_details={**details, "card": card})
    emit(act, "refund.updated", record, previous)
    emit(act, "charge.refund.updated", record, previous)


def succeed(act: Act, record: Json) -> None:
    """The bank took a pending refund; nothing if it is not pending."""
    if record["status"] in ("pending", "requires_action"):
        previous = change(record, status="succeeded")
        record.pop("pending_reason", None)
        emit(act, "refund.updated", record, previous)
        emit(act, "charge.refund.updated", record, previous)


def fail(act: Act, record: Json, *, reason: str = "lost_or_stolen_card") -> None:
    """The bank sent the money back, days later perhaps; it is the charge's again. Nothing if over already."""
    if record["status"] in ("failed", "canceled"):
        return
    previous = change(record, status="failed")
    record["failure_reason"] = reason
    _give_back(act, record)
    emit(act, "refund.failed", record)
    emit(act, "refund.updated", record, previous)
    emit(act, "charge.refund.updated", record, previous)


def cancel(act: Act, object_id: str, _params: dict[str, Any]) -> Json:
    """Call a refund back that is not under way. Raises a refusal for any other."""
    record = retrieve(act, object_id, {})
    if record["status"] not in ("pending", "requires_action"):
        raise bad_request(
            f"This refund has a status of {record['status']} and cannot be canceled.", kept=True
        )
    previous = change(record, status="canceled")
    record.pop("pending_reason", None)
    _give_back(act, record)
    emit(act, "refund.updated", record, previous)
    emit(act, "charge.refund.updated", record, previous)
    return record


def _give_back(act: Act, record: Json) -> None:
    charge = act.account.charges[record["charge"]]
    record["failure_balance_transaction"] = _book(
        act, charge, record["amount"], record["id"], "refund_failure"
    )
    previous = change(charge, amount_refunded=charge["amount_refunded"] - record["amount"], refunded=False)
    emit(act, "charge.updated", charge, previous)


def retrieve(act: Act, object_id: str, _params: dict[str, Any]) -> Json:
    """The refund of that id."""
    if object_id not in act.account.refunds:
        raise no_such("refund", object_id, param="id", status=404)
    act.touched = object_id
    return act.account.refunds[object_id]


def update(act: Act, object_id: str, params: dict[str, Any]) -> Json:
    """Change its metadata."""
    record = retrieve(act, object_id, {})
    previous = change(record, metadata=merged_metadata(record["metadata"], params.get("metadata")))
    emit(act, "refund.updated", record, previous)
    return record


def list_refunds(act: Act, _object_id: str, params: dict[str, Any]) -> Json:
    """A page of refunds, of one charge or PaymentIntent if wanted."""
    account = act.account
    chosen = account.refunds
    charges = (
        [params["charge"]] if "charge" in params else account.charges_of.get(params.get("payment_intent", ""))
    )
    if "charge" in params or "payment_intent" in params:
        ids = [refund for charge in charges or () for refund in account.refunds_of.get(charge, ())]
        chosen = {refund: account.refunds[refund] for refund in ids}
    return listing.page(chosen, params, kind="refund", url="/v1/refunds")
