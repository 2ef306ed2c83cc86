"""Stripe's test payment methods and the outcome of a payment with each."""

from dataclasses import dataclass, replace
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank or Stripe says no, and what it advises."""

    code: str
    message: str
    decline_code: str | None = None
    advice_code: str | None = None
    network_decline_code: str | None = None
    blocked: bool = False
    """Stopped by Stripe's own rules: the network was never asked."""

    def for_setup(self) -> "Decline":
        """The same of a SetupIntent, whose error has a code of its own."""
        return replace(self, code=self.code.replace("payment_intent", "setup_intent"))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to a payment with this method, and to what follows it."""

    kind: Literal["card", "us_bank_account", "sepa_debit", "bacs_debit"] = "card"
    brand: str = "visa"
    last4: str = "4242"
    decline: Decline | None = None
    authentication: bool = False
    """The customer must authenticate first; `decline`, if any, comes after that."""
    processing: Literal["no", "succeeds", "fails", "stays"] = "no"
    refund: Literal["plain", "pending", "fails"] = "plain"
    dispute_reason: str | None = None
    inquiry: bool = False
    is_reported: bool = False
    """Its issuer reports the charge as fraud: an early fraud warning."""
    is_lost_at_once: bool = False
    """The dispute is over when it begins: a bank takes a debit back, and is not argued with."""
    can_be_saved: bool = True
    """Whether a SetupIntent succeeds with it, though a payment may be declined later."""


def _declined(
    decline_code: str, advice_code: str, network_decline_code: str, message: str = "Your card was declined."
) -> Decline:
    return Decline("card_declined", message, decline_code, advice_code, network_decline_code)


GENERIC = _declined("generic_decline", "try_again_later", "05")
INSUFFICIENT_FUNDS = _declined(
    "insufficient_funds", "try_again_later", "51", "Your card has insufficient funds."
)
LOST = _declined("lost_card", "do_not_try_again", "41")
STOLEN = _declined("stolen_card", "do_not_try_again", "43")
VELOCITY = _declined(
    "card_velocity_exceeded", "try_again_later", "61", "Your card was declined for making repeated attempts."
)
EXPIRED = Decline("expired_card", "Your card has expired.", "expired_card", "confirm_card_data", "54")
INCORRECT_CVC = Decline(
    "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", "confirm_card_data", "N7"
)
PROCESSING_ERROR = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
    "try_again_later",
    "96",
)
BLOCKED = Decline(
    "card_declined", "Your card was declined.", "fraudulent", "do_not_try_again", None, blocked=True
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure", "The provided PaymentMethod has failed authentication."
)
BANK_INSUFFICIENT_FUNDS = Decline(
    "payment_intent_payment_attempt_failed",
    "The customer's account has insufficient funds.",
    "insufficient_funds",
)
BANK_ACCOUNT_CLOSED = Decline(
    "payment_intent_payment_attempt_failed", "The customer's bank account has been closed.", "account_closed"
)

TEST_METHODS: dict[str, Behaviour] = {
    "pm_card_visa": Behaviour(),
    "pm_card_us": Behaviour(),
    "pm_card_visa_debit": Behaviour(last4="5556"),
    "pm_card_mastercard": Behaviour(brand="mastercard", last4="4444"),
    "pm_card_mastercard_debit": Behaviour(brand="mastercard", last4="3222"),
    "pm_card_mastercard_prepaid": Behaviour(brand="mastercard", last4="5100"),
    "pm_card_amex": Behaviour(brand="amex", last4="8431"),
    "pm_card_discover": Behaviour(brand="discover", last4="9424"),
    "pm_card_diners": Behaviour(brand="diners", last4="3237"),
    "pm_card_jcb": Behaviour(brand="jcb", last4="0505"),
    "pm_card_unionpay": Behaviour(brand="unionpay", last4="0005"),
    "pm_card_de": Behaviour(last4="0016"),
    "pm_card_gb": Behaviour(last4="0000"),
    "pm_card_bypassPending": Behaviour(last4="0077"),
    "pm_card_riskLevelElevated": Behaviour(last4="9235"),
    "pm_card_visa_chargeDeclined": Behaviour(last4="0002", decline=GENERIC, can_be_saved=False),
    "pm_card_chargeDeclined": Behaviour(last4="0002", decline=GENERIC, can_be_saved=False),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Behaviour(
        last4="9995", decline=INSUFFICIENT_FUNDS, can_be_saved=False
    ),
    "pm_card_visa_chargeDeclinedLostCard": Behaviour(last4="9987", decline=LOST, can_be_saved=False),
    "pm_card_visa_chargeDeclinedStolenCard": Behaviour(last4="9979", decline=STOLEN, can_be_saved=False),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Behaviour(
        last4="6975", decline=VELOCITY, can_be_saved=False
    ),
    "pm_card_chargeDeclinedExpiredCard": Behaviour(last4="0069", decline=EXPIRED, can_be_saved=False),
    "pm_card_chargeDeclinedIncorrectCvc": Behaviour(last4="0127", decline=INCORRECT_CVC, can_be_saved=False),
    "pm_card_chargeDeclinedProcessingError": Behaviour(
        last4="0119", decline=PROCESSING_ERROR, can_be_saved=False
    ),
    "pm_card_chargeCustomerFail": Behaviour(last4="0341", decline=GENERIC),
    "pm_card_radarBlock": Behaviour(last4="0019", decline=BLOCKED, can_be_saved=False),
    "pm_card_authenticationRequired": Behaviour(last4="3184", authentication=True),
    "pm_card_threeDSecure2Required": Behaviour(last4="3220", authentication=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Behaviour(
        last4="8260", authentication=True, decline=INSUFFICIENT_FUNDS
    ),
    "pm_card_pendingRefund": Behaviour(last4="7726", refund="pending"),
    "pm_card_refundFail": Behaviour(last4="5126", refund="fails"),
    "pm_card_createDispute": Behaviour(last4="0259", dispute_reason="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Behaviour(last4="2685", dispute_reason="product_not_received"),
    "pm_card_createDisputeInquiry": Behaviour(last4="1976", dispute_reason="fraudulent", inquiry=True),
    "pm_card_createIssuerFraudRecord": Behaviour(last4="5423", is_reported=True),
    "pm_card_processing": Behaviour(processing="succeeds"),
    "pm_card_processingFail": Behaviour(processing="fails", decline=GENERIC),
}

BANK_TAKES_IT_BACK: Final = "insufficient_funds"
"""The reason of the dispute by which a debit fails after it succeeded."""

_SEPA: Literal["sepa_debit"] = "sepa_debit"
_BACS: Literal["bacs_debit"] = "bacs_debit"
_BANK: Literal["us_bank_account"] = "us_bank_account"
TEST_METHODS |= {
    "pm_us_bank_account": Behaviour(kind=_BANK, last4="6789", processing="succeeds"),
    "pm_usBankAccount_success": Behaviour(kind=_BANK, last4="6789", processing="succeeds"),
    "pm_usBankAccount_processing": Behaviour(kind=_BANK, last4="6789", processing="stays"),
    "pm_usBankAccount_insufficientFunds": Behaviour(
        kind=_BANK, last4="2227", processing="fails", decline=BANK_INSUFFICIENT_FUNDS
    ),
    "pm_usBankAccount_accountClosed": Behaviour(
        kind=_BANK, last4="1113", processing="fails", decline=BANK_ACCOUNT_CLOSED
    ),
    "pm_usBankAccount_dispute": Behaviour(
        kind=_BANK,
        last4="5559",
        processing="succeeds",
        dispute_reason=BANK_TAKES_IT_BACK,
        is_lost_at_once=True,
    ),
    "pm_success_de": Behaviour(kind=_SEPA, last4="3201", processing="succeeds"),
    "pm_failed_de": Behaviour(kind=_SEPA, last4="3202", processing="fails", decline=BANK_INSUFFICIENT_FUNDS),
    "pm_disputed_de": Behaviour(
        kind=_SEPA,
        last4="3004",
        processing="succeeds",
        dispute_reason=BANK_TAKES_IT_BACK,
        is_lost_at_once=True,
    ),
    "pm_bacsDebit_success": Behaviour(kind=_BACS, last4="2345", processing="succeeds"),
}

TOKENS: dict[str, str] = {
    **{
        f"tok_{name.removeprefix('pm_card_').removeprefix('visa_')}": name
        for name in TEST_METHODS
        if name.startswith("pm_card_")
    },
    "tok_visa_debit": "pm_card_visa_debit",
}
"""Stripe's test tokens by name, and the test payment method that each becomes."""
BANK_ACCOUNTS: dict[str, str] = {
    "000123456789": "pm_usBankAccount_success",
    "000111111113": "pm_usBankAccount_accountClosed",
    "000222222227": "pm_usBankAccount_insufficientFunds",
    "000000000009": "pm_usBankAccount_processing",
    "000555555559": "pm_usBankAccount_dispute",
}
"""Stripe's test account numbers, and the test payment method that each becomes."""
