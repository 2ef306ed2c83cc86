"""ConfirmationTokens: what a customer's browser collected, used once to confirm a PaymentIntent."""

from typing import Any

from payment_worker.simulator.api.errors import invalid_request, no_such
from payment_worker.simulator.resources.lookup import found
from payment_worker.simulator.resources.payers.payment_methods import method_for
from payment_worker.simulator.state import Context, Json

_LIFE_SECONDS = 12 * 3_600
_FILLS = ("return_url", "setup_future_usage")


def create(context: Context, _object_id: str, params: dict[str, Any]) -> Json:
    """A token as a browser would make it, of a test payment method."""
    method, behaviour = method_for(context, params["payment_method"])
    record: Json = {
        "id": context.new_id("ctoken_1"),
        "object": "confirmation_token",
        "created": context.now,
        "expires_at": context.now + _LIFE_SECONDS,
        "livemode": context.account.livemode,
        "mandate_data": None,
        "payment_intent": None,
        "payment_method_options": None,
        "payment_method_preview": {
            "billing_details": method["billing_details"],
            "customer": None,
            "type": behaviour.kind,
            behaviour.kind: method[behaviour.kind],
        },
        **{name: params.get(name) for name in _FILLS},
        "setup_intent": None,
        "shipping": None,
        "use_stripe_sdk": True,
    }
    context.account.confirmation_tokens[record["id"]] = record
    context.account.token_methods[record["id"]] = method["id"]
    context.changed = True
    return record


def retrieve(context: Context, object_id: str, _params: dict[str, Any]) -> Json:
    """The token of that id."""
    return found(context, context.account.confirmation_tokens, object_id, "confirmation_token")


def filled(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with what their token holds, unless they say it themselves. Raises RequestError for a used one."""
    token = params.get("confirmation_token")
    if token is None:
        return params
    record = context.account.confirmation_tokens.get(token)
    if record is None:
        raise no_such("confirmation_token", token, param="confirmation_token")
    if record["payment_intent"] is not None or record["expires_at"] <= context.now:
        raise invalid_request(
            f"The ConfirmationToken {token} was used already, or has expired.", param="confirmation_token"
        )
    held = {name: record[name] for name in _FILLS if record[name] is not None}
    return {**held, "payment_method": context.account.token_methods[token], **params}


def use(context: Context, params: dict[str, Any], intent: Json) -> None:
    """The token, if one was given, is used up by this PaymentIntent."""
    if "confirmation_token" in params:
        record = context.account.confirmation_tokens[params["confirmation_token"]]
        record |= {"payment_intent": intent["id"], "expires_at": None}
