"""Confirms a PaymentIntent: succeeds, declines, asks the customer or starts processing."""

from typing import Any

from payment_worker.simulator.api.errors import RequestError, doc_url, invalid_request
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.payers.authentication import next_action
from payment_worker.simulator.resources.payers.bank_debits import mandate_for
from payment_worker.simulator.resources.payers.payment_methods import method_for
from payment_worker.simulator.resources.payers.test_methods import (
    AUTHENTICATION_REQUIRED,
    Behaviour,
    Decline,
)
from payment_worker.simulator.resources.payments import charges
from payment_worker.simulator.resources.payments.capture_and_cancel import expire
from payment_worker.simulator.resources.payments.disputes import open_dispute
from payment_worker.simulator.resources.payments.early_fraud_warnings import warn
from payment_worker.simulator.state import Context, Json, change

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def allowed_types(intent: Json, kind: str) -> None:
    """Raises RequestError when the PaymentIntent takes no payment method of that kind."""
    types = intent["payment_method_types"]
    if kind not in types:
        raise invalid_request(
            f"The PaymentMethod provided ({kind}) is not allowed for this PaymentIntent. "
            f"Attach one of these types: {', '.join(types)}.",
            param="payment_method",
        )


def confirm_intent(context: Context, intent: Json, params: dict[str, Any]) -> Json:
    """Confirm it with the method given or the one it has. Raises RequestError; 402 for a decline."""
    if intent["status"] not in CONFIRMABLE:
        raise invalid_request(
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be confirmed: {', '.join(CONFIRMABLE)}.",
            code="payment_intent_unexpected_state",
            is_kept=True,
            payment_intent=intent,
        )
    if params.get("setup_future_usage"):
        intent["setup_future_usage"] = params["setup_future_usage"]
    if params.get("off_session") and intent["setup_future_usage"]:
        raise invalid_request(
            "You cannot confirm with the `off_session` parameter when `setup_future_usage` is also set on the "
            "PaymentIntent because you cannot set up future usages when processing payments off-session.",
            param="off_session",
        )
    token = params.get("payment_method") or intent["payment_method"]
    if token is None:
        raise invalid_request(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            is_kept=True,
            payment_intent=intent,
        )
    method, behaviour = method_for(context, token)
    allowed_types(intent, behaviour.kind)
    mandate = mandate_for(context, behaviour, params)
    if params.get("capture_method"):
        intent["capture_method"] = params["capture_method"]
    change(intent, payment_method=method["id"], next_action=None)
    if not behaviour.authentication:
        return attempt(context, intent, method, behaviour, mandate)
    if params.get("off_session") or params.get("error_on_requires_action"):
        raise declined(context, intent, method, behaviour, AUTHENTICATION_REQUIRED)
    return _ask_customer(context, intent, params.get("return_url"))


def attempt(
    context: Context, intent: Json, method: Json, behaviour: Behaviour, mandate: str | None = None
) -> Json:
    """Ask the bank, authentication being done or not needed. Raises RequestError for a decline."""
    if behaviour.processing != "no":
        return _begin_processing(context, intent, method, behaviour, mandate)
    if behaviour.decline is not None:
        raise declined(context, intent, method, behaviour, behaviour.decline)
    charge = charges.new_charge(context, intent, method, behaviour, status="succeeded")
    succeed(context, intent, charge, behaviour)
    return intent


def succeed(context: Context, intent: Json, charge: Json, behaviour: Behaviour) -> None:
    """The bank said yes: the money is authorised or taken."""
    change(charge, status="succeeded", paid=True)
    change(intent, latest_charge=charge["id"], last_payment_error=None, processing=None, next_action=None)
    if intent["capture_method"] == "manual":
        change(intent, status="requires_capture", amount_capturable=intent["amount"])
        emit(context, "charge.succeeded", charge)
        emit(context, "payment_intent.amount_capturable_updated", intent)
        context.schedule(context.state.settings.authorization_seconds, lambda then: expire(then, intent))
        return
    charges.take(context, charge, intent["amount"], at_once=intent["capture_method"] == "automatic")
    change(intent, status="succeeded", amount_received=intent["amount"])
    emit(context, "charge.succeeded", charge)
    emit(context, "payment_intent.succeeded", intent)
    if behaviour.is_reported:
        context.schedule(context.state.settings.dispute_delay_seconds, lambda then: _report(then, charge))
    if behaviour.dispute_reason is not None:
        reason, status = behaviour.dispute_reason, "needs_response"
        if behaviour.inquiry or behaviour.is_lost_at_once:
            status = "lost" if behaviour.is_lost_at_once else "warning_needs_response"
        context.schedule(
            context.state.settings.dispute_delay_seconds,
            lambda then: _dispute(then, charge, reason, status),
        )


def _report(context: Context, charge: Json) -> None:
    warn(context, charge)


def _dispute(context: Context, charge: Json, reason: str, status: str) -> None:
    open_dispute(context, charge, reason=reason, status=status)


def _begin_processing(
    context: Context, intent: Json, method: Json, behaviour: Behaviour, mandate: str | None
) -> Json:
    charge = charges.new_charge(context, intent, method, behaviour, status="pending", mandate=mandate)
    change(intent, status="processing", latest_charge=charge["id"], last_payment_error=None)
    emit(context, "charge.pending", charge)
    emit(context, "payment_intent.processing", intent)
    if behaviour.processing != "stays":
        context.schedule(
            context.state.settings.processing_delay_seconds, lambda then: finish_processing(then, intent)
        )
    return intent


def finish_processing(
    context: Context, intent: Json, *, good: bool | None = None, why: Decline | None = None
) -> None:
    """The bank's late word, or what the method's own nature says; nothing if it is over already."""
    charge = context.account.charges[intent["latest_charge"]] if intent["latest_charge"] else None
    if intent["status"] != "processing" or charge is None or charge["status"] != "pending":
        return
    behaviour = context.account.behaviours[charge["payment_method"]]
    reason = why or behaviour.decline
    if good is False or (good is None and behaviour.processing == "fails"):
        method = context.account.payment_methods[charge["payment_method"]]
        _fail(
            context,
            intent,
            charge,
            method,
            reason or Decline("payment_intent_payment_attempt_failed", "It failed."),
        )
    else:
        succeed(context, intent, charge, behaviour)


def _ask_customer(context: Context, intent: Json, return_url: str | None) -> Json:
    change(intent, status="requires_action", next_action=next_action(intent["id"], return_url))
    emit(context, "payment_intent.requires_action", intent)
    return intent


def declined(
    context: Context, intent: Json, method: Json, behaviour: Behaviour, why: Decline
) -> RequestError:
    """Record a decline: a failed charge, the PaymentIntent back at its start. The 402 to raise."""
    charge = charges.new_charge(context, intent, method, behaviour, status="failed")
    error = _fail(context, intent, charge, method, why)
    return RequestError(402, {**error, "payment_intent": intent}, is_kept=True)


def _fail(context: Context, intent: Json, charge: Json, method: Json, why: Decline) -> Json:
    charges.decline(charge, why)
    error = failure(why, method, charge["id"])
    change(intent, latest_charge=charge["id"], processing=None)
    step_back(intent, error)
    emit(context, "charge.failed", charge)
    emit(context, "payment_intent.payment_failed", intent)
    return error


def step_back(intent: Json, error: Json) -> None:
    """The PaymentIntent waits for another payment method and remembers why."""
    change(
        intent,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=error,
    )


def failure(why: Decline, method: Json, charge_id: str | None) -> Json:
    """The error object of a decline, as `last_payment_error` and the 402 have it."""
    error = {
        "advice_code": why.advice_code,
        "charge": charge_id,
        "code": why.code,
        "decline_code": why.decline_code,
        "doc_url": doc_url(why.code),
        "message": why.message,
        "network_decline_code": why.network_decline_code,
        "payment_method": dict(method),
        "type": "card_error",
    }
    return {name: value for name, value in error.items() if value is not None}
