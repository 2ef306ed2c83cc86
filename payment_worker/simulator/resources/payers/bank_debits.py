"""Bank debits: how their payment methods and charges look, and what they need to be confirmed."""

from typing import Any, Final

from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.resources.payers.test_methods import Behaviour
from payment_worker.simulator.state import Context, Json

CURRENCIES: Final = {"us_bank_account": None, "sepa_debit": "eur", "bacs_debit": "gbp"}
"""In which currency a debit can be made; None: whichever, for tests' sake."""

_WITH_MANDATE: Final = frozenset({"sepa_debit", "bacs_debit"})


def types_in(currency: str) -> list[str]:
    """The types of payment method that a PaymentIntent in this currency takes."""
    return ["card", *(kind for kind, only in CURRENCIES.items() if only in (None, currency))]


def method_details(behaviour: Behaviour) -> Json:
    """What a payment method says of its account."""
    fingerprint = f"simbank{behaviour.last4}"
    match behaviour.kind:
        case "sepa_debit":
            return {
                "bank_code": "37040044", "branch_code": "", "country": "DE", "fingerprint": fingerprint,
                "generated_from": {"charge": None, "setup_attempt": None}, "last4": behaviour.last4,
            }  # fmt: skip
        case "bacs_debit":
            return {"fingerprint": fingerprint, "last4": behaviour.last4, "sort_code": "108800"}
        case _:
            return {
                "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
                "financial_connections_account": None, "fingerprint": fingerprint, "last4": behaviour.last4,
                "networks": {"preferred": "ach", "supported": ["ach"]}, "routing_number": "110000000",
                "status_details": {},
            }  # fmt: skip


def charge_details(behaviour: Behaviour, mandate: str | None) -> Json:
    """What a charge says of the account that it debits."""
    common = {"fingerprint": f"simbank{behaviour.last4}", "last4": behaviour.last4, "mandate": mandate}
    match behaviour.kind:
        case "sepa_debit":
            own: Json = {"bank_code": "37040044", "branch_code": "", "country": "DE"}
        case "bacs_debit":
            own = {"expected_debit_date": None, "sort_code": "108800"}
        case _:
            own = {
                "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
                "expected_debit_date": None, "payment_reference": None, "routing_number": "110000000",
            }  # fmt: skip
    return {"type": behaviour.kind, behaviour.kind: {**common, **own}}


def mandate_for(context: Context, behaviour: Behaviour, params: dict[str, Any]) -> str | None:
    """The mandate of a debit: the one given, or a new one as accepted. Raises RequestError where one is needed.

    With the customer away it is the one that was given when the payment method was saved.
    """
    if "mandate" in params:
        return str(params["mandate"])
    acceptance = (params.get("mandate_data") or {}).get("customer_acceptance")
    if acceptance is None and behaviour.kind in _WITH_MANDATE and not params.get("off_session"):
        raise invalid_request(
            "This PaymentIntent requires a mandate, but no existing mandate was found. Collect mandate acceptance from "
            "the customer and retry the request, providing acceptance data in the mandate_data parameter.",
            code="payment_intent_mandate_invalid",
        )
    return context.new_id("mandate_1") if behaviour.kind != "card" else None
