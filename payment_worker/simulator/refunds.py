"""Refunds: what may be given back, how it goes on afterwards, and what a failure gives back to us."""

from typing import Any

from payment_worker.simulator import listing
from payment_worker.simulator.balance import book
from payment_worker.simulator.currencies import shown
from payment_worker.simulator.disputes import refundable
from payment_worker.simulator.events import emit
from payment_worker.simulator.parameters import merged_metadata
from payment_worker.simulator.refusals import bad_request, no_such
from payment_worker.simulator.world import Act, Json, change


def create(act: Act, _object_id: str, params: dict[str, Any]) -> Json:
    """Give money back from a charge or a PaymentIntent's charge. Raises a refusal."""
    charge = _charge(act, params)
    amount = _checked_amount(act, charge, params.get("amount"))
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


def _charge(act: Act, params: dict[str, Any]) -> Json:
    account = act.account
    if "charge" not in params and "payment_intent" not in params:
        raise bad_request(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    charge_id = params.get("charge")
    if "payment_intent" in params:
        intent = account.payment_intents.get(params["payment_intent"])
        if intent is None:
            raise no_such("payment_intent", params["payment_intent"], param="payment_intent")
        charge_id = charge_id or intent["latest_charge"]
        found = account.charges.get(charge_id or "")
        if found is None or found["status"] != "succeeded" or found["payment_intent"] != intent["id"]:
            raise bad_request(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            )
        return found
    if charge_id not in account.charges:
        raise no_such("charge", str(charge_id), param="charge")
    return account.charges[charge_id]


def _checked_amount(act: Act, charge: Json, amount: int | None) -> int:
    if charge["status"] != "succeeded":
        raise bad_request(f"Charge {charge['id']} did not succeed and cannot be refunded.", kept=True)
    if not charge["captured"]:
        raise bad_request(
            f"Charge {charge['id']} has not been captured. Cancel its PaymentIntent to release the funds.",
            kept=True,
        )
    if not refundable(act, charge):
        raise bad_request(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            kept=True,
        )
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise bad_request(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", kept=True
        )
    if amount is None:
        return int(left)
    if amount < 1:
        raise bad_request("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if amount > left:
        currency = charge["currency"]
        raise bad_request(
            f"Refund amount ({shown(amount, currency)}) is greater than unrefunded amount on charge "
            f"({shown(left, currency)})",
            param="amount",
            kept=True,
        )
    return amount


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
