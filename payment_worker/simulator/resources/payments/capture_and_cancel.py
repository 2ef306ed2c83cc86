"""PaymentIntents: capture, cancel, and the expiry of an authorisation."""

from typing import Any

from payment_worker.simulator.api.errors import RequestError, invalid_request
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found_intent
from payment_worker.simulator.resources.payments import charges, released_funds
from payment_worker.simulator.resources.payments.currencies import check_digits, format_amount
from payment_worker.simulator.state import Context, Json, change

CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)


def _unexpected(intent: Json, verb: str, statuses: tuple[str, ...]) -> RequestError:
    done = {"cancel": "canceled", "capture": "captured"}[verb]
    return invalid_request(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. Only a "
        f"PaymentIntent with one of the following statuses may be {done}: {', '.join(statuses)}.",
        code="payment_intent_unexpected_state",
        is_kept=True,
        payment_intent=intent,
    )


def capture(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Take what was authorised, or a part; the rest is let go. Raises RequestError."""
    intent = found_intent(context, object_id)
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "capture", ("requires_capture",))
    capturable: int = intent["amount_capturable"]
    amount = params.get("amount_to_capture", capturable)
    if amount < 1:
        raise invalid_request(
            "This value must be greater than or equal to 1.",
            param="amount_to_capture",
            code="parameter_invalid_integer",
        )
    if amount > capturable:
        currency = intent["currency"]
        raise invalid_request(
            f"The amount to capture ({format_amount(amount, currency)}) is greater than the amount that can be "
            f"captured ({format_amount(capturable, currency)}).",
            param="amount_to_capture",
            code="amount_too_large",
            is_kept=True,
        )
    check_digits(amount, intent["currency"], param="amount_to_capture")
    charge = context.account.charges[intent["latest_charge"]]
    if params.get("metadata"):
        intent["metadata"] = {**intent["metadata"], **params["metadata"]}
    before = {name: charge[name] for name in ("captured", "amount_captured", "balance_transaction")}
    received = intent["amount_received"] + amount
    if not params.get("final_capture", True) and amount < capturable:
        return _capture_some(context, intent, charge, amount)
    charges.take(context, charge, amount, at_once=True)
    previous = change(intent, status="succeeded", amount_capturable=0, amount_received=received)
    emit(context, "charge.captured", charge, before)
    if amount < capturable:
        released_funds.emit_refund(context, charge, capturable - amount)
    emit(context, "payment_intent.amount_capturable_updated", intent, previous)
    emit(context, "payment_intent.succeeded", intent)
    return intent


def _capture_some(context: Context, intent: Json, charge: Json, amount: int) -> Json:
    """One of several captures, after which the rest is still held. Raises RequestError."""
    if intent["payment_method_options"]["card"].get("request_multicapture") != "if_available":
        raise invalid_request(
            "You cannot set final_capture to false, because this PaymentIntent does not support multicapture.",
            param="final_capture",
            is_kept=True,
            payment_intent=intent,
        )
    charges.take(context, charge, amount, at_once=True, is_final=False)
    previous = change(
        intent,
        amount_capturable=intent["amount_capturable"] - amount,
        amount_received=intent["amount_received"] + amount,
    )
    emit(context, "charge.updated", charge)
    emit(context, "payment_intent.amount_capturable_updated", intent, previous)
    return intent


def cancel(context: Context, object_id: str, params: dict[str, Any]) -> Json:
    """Give up; an authorisation is released, which makes no Refund. Raises RequestError."""
    intent = found_intent(context, object_id)
    charge = context.account.charges.get(intent["latest_charge"] or "")
    if intent["status"] not in CANCELABLE:
        raise _unexpected(intent, "cancel", CANCELABLE)
    if charge is not None and charge["status"] != "failed":
        _release(context, charge)
    _canceled(context, intent, params.get("cancellation_reason"))
    return intent


def expire(context: Context, intent: Json) -> None:
    """The authorisation's time is over; nothing if it was captured or canceled before."""
    if intent["status"] != "requires_capture":
        return
    charge = context.account.charges[intent["latest_charge"]]
    if intent["amount_received"]:  # of several captures the last never came
        change(charge, captured=True)
        change(intent, status="succeeded", amount_capturable=0)
        emit(context, "charge.captured", charge)
        emit(context, "payment_intent.succeeded", intent)
        return
    emit(context, "charge.expired", charge)
    released_funds.emit_refund(context, charge, charge["amount"], reason="expired_uncaptured_charge")
    _canceled(context, intent, "expired")


def _release(context: Context, charge: Json) -> None:
    """A pending charge fails; an uncaptured one stays as it is, with nothing captured and nothing refunded."""
    if charge["status"] == "pending":
        change(charge, status="failed", failure_code="payment_intent_canceled", failure_message="Canceled.")
        emit(context, "charge.failed", charge)
    else:
        released_funds.emit_refund(context, charge, charge["amount"])


def _canceled(context: Context, intent: Json, reason: str | None) -> None:
    change(
        intent,
        status="canceled",
        amount_capturable=0,
        canceled_at=context.now,
        cancellation_reason=reason,
        next_action=None,
        processing=None,
    )
    emit(context, "payment_intent.canceled", intent)
