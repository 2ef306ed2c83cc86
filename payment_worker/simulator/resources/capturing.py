"""The ends of an authorisation: captured, canceled, expired."""

from typing import Any

from payment_worker.simulator.api.refusals import Refusal, bad_request, no_such
from payment_worker.simulator.resources import charges, released_funds
from payment_worker.simulator.resources.currencies import check_digits, shown
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.world import Act, Json, change

CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)


def _found(act: Act, object_id: str) -> Json:
    if object_id not in act.account.payment_intents:
        raise no_such("payment_intent", object_id, param="intent", status=404)
    act.touched = object_id
    return act.account.payment_intents[object_id]


def _unexpected(intent: Json, verb: str, statuses: tuple[str, ...]) -> Refusal:
    done = {"cancel": "canceled", "capture": "captured"}[verb]
    return bad_request(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. Only a "
        f"PaymentIntent with one of the following statuses may be {done}: {', '.join(statuses)}.",
        code="payment_intent_unexpected_state",
        kept=True,
        payment_intent=intent,
    )


def capture(act: Act, object_id: str, params: dict[str, Any]) -> Json:
    """Take what was authorised, or a part; the rest is let go. Raises a refusal."""
    intent = _found(act, object_id)
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "capture", ("requires_capture",))
    capturable: int = intent["amount_capturable"]
    amount = params.get("amount_to_capture", capturable)
    if amount < 1:
        raise bad_request(
            "This value must be greater than or equal to 1.",
            param="amount_to_capture",
            code="parameter_invalid_integer",
        )
    if amount > capturable:
        currency = intent["currency"]
        raise bad_request(
            f"The amount to capture ({shown(amount, currency)}) is greater than the amount that can be "
            f"captured ({shown(capturable, currency)}).",
            param="amount_to_capture",
            code="amount_too_large",
            kept=True,
        )
    check_digits(amount, intent["currency"], param="amount_to_capture")
    charge = act.account.charges[intent["latest_charge"]]
    charges.take(act, charge, amount, at_once=True)
    if params.get("metadata"):
        intent["metadata"] = {**intent["metadata"], **params["metadata"]}
    previous = change(intent, status="succeeded", amount_capturable=0, amount_received=amount)
    emit(
        act, "charge.captured", charge, {"captured": False, "amount_captured": 0, "balance_transaction": None}
    )
    if amount < capturable:
        released_funds.emit_refund(act, charge, capturable - amount)
    emit(act, "payment_intent.amount_capturable_updated", intent, previous)
    emit(act, "payment_intent.succeeded", intent)
    return intent


def cancel(act: Act, object_id: str, params: dict[str, Any]) -> Json:
    """Give up; an authorisation is released, which makes no Refund. Raises a refusal."""
    intent = _found(act, object_id)
    charge = act.account.charges.get(intent["latest_charge"] or "")
    if intent["status"] not in CANCELABLE:
        raise _unexpected(intent, "cancel", CANCELABLE)
    if charge is not None and charge["status"] != "failed":
        _release(act, charge)
    _canceled(act, intent, params.get("cancellation_reason"))
    return intent


def expire(act: Act, intent: Json) -> None:
    """The authorisation's time is over; nothing if it was captured or canceled before."""
    if intent["status"] != "requires_capture":
        return
    charge = act.account.charges[intent["latest_charge"]]
    emit(act, "charge.expired", charge)
    released_funds.emit_refund(act, charge, charge["amount"], reason="expired_uncaptured_charge")
    _canceled(act, intent, "expired")


def _release(act: Act, charge: Json) -> None:
    """A pending charge fails; an uncaptured one stays as it is, with nothing captured and nothing refunded."""
    if charge["status"] == "pending":
        change(charge, status="failed", failure_code="payment_intent_canceled", failure_message="Canceled.")
        emit(act, "charge.failed", charge)
    else:
        released_funds.emit_refund(act, charge, charge["amount"])


def _canceled(act: Act, intent: Json, reason: str | None) -> None:
    change(
        intent,
        status="canceled",
        amount_capturable=0,
        canceled_at=act.now,
        cancellation_reason=reason,
        next_action=None,
        processing=None,
    )
    emit(act, "payment_intent.canceled", intent)
