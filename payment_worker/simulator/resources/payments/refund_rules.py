"""Checks whether a charge can be refunded, and how much."""

from typing import Any

from payment_worker.simulator.api.errors import invalid_request, no_such, not_built
from payment_worker.simulator.resources.payments.currencies import check_digits, format_amount
from payment_worker.simulator.resources.payments.disputes import refundable
from payment_worker.simulator.state import Context, Json


def charge_of(context: Context, params: dict[str, Any]) -> Json:
    """The charge that a refund names, by itself or by its PaymentIntent. Raises RequestError."""
    account = context.account
    if "charge" not in params and "payment_intent" not in params:
        raise invalid_request(
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
            raise invalid_request(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            )
        return found
    if charge_id not in account.charges:
        raise no_such("charge", str(charge_id), param="charge")
    return account.charges[charge_id]


def checked_amount(context: Context, charge: Json, amount: int | None) -> int:
    """How much to refund: what is asked or all that is left, in minor units. Raises RequestError."""
    if charge["status"] != "succeeded":
        raise invalid_request(f"Charge {charge['id']} did not succeed and cannot be refunded.", is_kept=True)
    if not charge["captured"] and charge["payment_intent"] is None:
        raise not_built("The refund of an uncaptured charge that has no PaymentIntent")
    if not charge["captured"]:
        raise invalid_request(
            f"Charge {charge['id']} has not been captured. Cancel its PaymentIntent to release the funds.",
            is_kept=True,
        )
    if not refundable(context, charge):
        raise invalid_request(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            is_kept=True,
        )
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise invalid_request(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", is_kept=True
        )
    if amount is None:
        return int(left)
    if amount < 1:
        raise invalid_request("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    check_digits(amount, charge["currency"], param="amount")
    if amount > left:
        currency = charge["currency"]
        raise invalid_request(
            f"Refund amount ({format_amount(amount, currency)}) is greater than unrefunded amount on charge "
            f"({format_amount(left, currency)})",
            param="amount",
            is_kept=True,
        )
    return amount
