"""What may be refunded: a captured, undisputed charge, and never more than is left of it."""

from typing import Any

from payment_worker.simulator.api.refusals import bad_request, no_such
from payment_worker.simulator.resources.currencies import check_digits, shown
from payment_worker.simulator.resources.disputes import refundable
from payment_worker.simulator.world import Act, Json


def charge_of(act: Act, params: dict[str, Any]) -> Json:
    """The charge that a refund names, by itself or by its PaymentIntent. Raises a refusal."""
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


def checked_amount(act: Act, charge: Json, amount: int | None) -> int:
    """How much to refund: what is asked or all that is left, in minor units. Raises a refusal."""
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
    check_digits(amount, charge["currency"], param="amount")
    if amount > left:
        currency = charge["currency"]
        raise bad_request(
            f"Refund amount ({shown(amount, currency)}) is greater than unrefunded amount on charge "
            f"({shown(left, currency)})",
            param="amount",
            kept=True,
        )
    return amount
