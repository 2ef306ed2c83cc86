"""Stripe's decline codes: the failure reason that we publish for each, and whether a retry is allowed.

A decline is an outcome. Retrying a hard decline costs fees and, beyond the card networks' limits, puts the
merchant's account at risk; so unknown codes are not retried. If Stripe passes on the issuer's advice
(`advice_code`), the advice outranks the table.

Source of the codes: Stripe's pages "Decline codes" (cards, and local payment methods below them) and "Smart
Retries" (`highest_risk_level`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FailureReason(StrEnum):
    """The four failure reasons of `PaymentFailed`. Stripe's own code is published beside them."""

    CARD_DECLINED = "CARD_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    EXPIRED_CARD = "EXPIRED_CARD"
    PROCESSING_ERROR = "PROCESSING_ERROR"


class DeclineClass(StrEnum):
    """The kinds of decline."""

    HARD = "hard"
    """This card, or these card data, will never succeed."""
    SOFT = "soft"
    """The same card may succeed later."""
    AUTHENTICATION = "authentication"
    """The customer has to authenticate: 3-D Secure, a PIN, a tap."""
    FRAUD = "fraud"
    """Suspected fraud. Tell the customer no more than "declined"."""
    LIMITS = "limits"
    """Insufficient funds or a limit: may succeed later."""


_MAY_RETRY: Mapping[DeclineClass, bool] = MappingProxyType(
    {
        DeclineClass.HARD: False,
        DeclineClass.SOFT: True,
        DeclineClass.AUTHENTICATION: False,
        DeclineClass.FRAUD: False,
        DeclineClass.LIMITS: True,
    }
)

ADVICE: Mapping[str, bool] = MappingProxyType(
    {
        "try_again_later": True,
        "do_not_try_again": False,
        # The customer has to correct the card's data first: the same request would be declined again.
        "confirm_card_data": False,
    }
)
"""Stripe's advice codes: may the same card be retried without the customer?"""


@dataclass(frozen=True, slots=True)
class DeclinePolicy:
    """What one decline code means for us."""

    code: str
    decline_class: DeclineClass
    reason: FailureReason


# In each class the codes of cards go first, those of local payment methods on the line after them.
_CODES: Mapping[DeclineClass, str] = {
    DeclineClass.HARD: """
        call_issuer card_not_supported currency_not_supported do_not_try_again duplicate_transaction
        expired_card incorrect_address incorrect_cvc incorrect_number incorrect_zip invalid_account
        invalid_amount invalid_cvc invalid_expiry_month invalid_expiry_year invalid_number
        new_account_information_available not_permitted pin_try_exceeded revocation_of_all_authorizations
        revocation_of_authorization service_not_allowed stop_payment_order testmode_decline
        transaction_not_allowed
        compliance_violation expired_payment_information invalid_authorization invalid_billing_agreement
        invalid_business_account invalid_customer_account invalid_payment_information
        partner_payment_not_found payment_disputed
    """,
    DeclineClass.SOFT: """
        approve_with_id do_not_honor generic_decline issuer_not_available no_action_taken processing_error
        reenter_transaction try_again_later
        partner_generic_decline
    """,
    DeclineClass.AUTHENTICATION: """
        authentication_not_handled authentication_required incorrect_pin invalid_pin
        mobile_device_authentication_required offline_pin_required online_or_offline_pin_required
    """,
    DeclineClass.FRAUD: """
        fraudulent highest_risk_level lost_card merchant_blacklist pickup_card restricted_card
        security_violation stolen_card
        partner_high_risk_customer
    """,
    DeclineClass.LIMITS: """
        card_velocity_exceeded insufficient_funds withdrawal_count_limit_exceeded
        payment_limit_exceeded
    """,
}

_REASONS: Mapping[str, FailureReason] = {
    "insufficient_funds": FailureReason.INSUFFICIENT_FUNDS,
    "expired_card": FailureReason.EXPIRED_CARD,
    "expired_payment_information": FailureReason.EXPIRED_CARD,
    # Not the issuer's decision: processing between Stripe and the issuer failed.
    "processing_error": FailureReason.PROCESSING_ERROR,
    "issuer_not_available": FailureReason.PROCESSING_ERROR,
    "reenter_transaction": FailureReason.PROCESSING_ERROR,
}


DECLINES: Mapping[str, DeclinePolicy] = MappingProxyType(
    {
        code: DeclinePolicy(code, decline_class, _REASONS.get(code, FailureReason.CARD_DECLINED))
        for decline_class, codes in _CODES.items()
        for code in codes.split()
    }
)
"""Every decline code that Stripe documents."""

CARD_ERROR_CODES: frozenset[str] = frozenset(
    {"card_declined", "payment_intent_authentication_failure", "payment_method_provider_decline"}
)
"""Error codes besides the decline codes that mean a decline by the card, its owner or its issuer."""


def failure_reason(error_code: str | None, decline_code: str | None) -> FailureReason:
    """Which of the four reasons we publish for Stripe's `code` and `decline_code`.

    The decline code is more specific and goes first. What neither attributes to the card is a processing error: we
    never blame a card for what Stripe did not attribute to it.
    """
    for code in (decline_code, error_code):
        if code is not None and code in DECLINES:
            return DECLINES[code].reason
    # A decline code that is newer than the table is still a decline.
    is_declined = decline_code is not None or error_code in CARD_ERROR_CODES
    return FailureReason.CARD_DECLINED if is_declined else FailureReason.PROCESSING_ERROR


def may_retry(decline_code: str | None, advice_code: str | None) -> bool:
    """Whether the same card may be retried later without any action of the customer."""
    if advice_code is not None and advice_code in ADVICE:
        return ADVICE[advice_code]
    policy = DECLINES.get(decline_code) if decline_code else None
    return policy is not None and _MAY_RETRY[policy.decline_class]


def never_again(decline_code: str | None, advice_code: str | None) -> bool:
    """Whether the same card may not be retried even on request.

    If the customer can sort it out with the issuer, or the card's data have been updated, a person may know better
    than the table. Not so if fraud is suspected, or the issuer says never.
    """
    policy = DECLINES.get(decline_code) if decline_code else None
    return advice_code == "do_not_try_again" or (
        policy is not None and policy.decline_class is DeclineClass.FRAUD
    )
