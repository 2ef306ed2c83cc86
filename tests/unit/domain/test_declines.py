"""Every decline that Stripe documents has one meaning here, and nothing unknown is ever retried."""

from typing import get_args

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.domain.attempts import declines
from payment_worker.domain.attempts.declines import (
    ADVICE,
    CARD_ERROR_CODES,
    DECLINES,
    DeclineClass,
    FailureReason,
    failure_reason,
    may_retry,
)

# Stripe's page "Decline codes", in its order: the cards' and then the local payment methods' own.
DOCUMENTED = """
    authentication_required authentication_not_handled approve_with_id call_issuer card_not_supported
    card_velocity_exceeded currency_not_supported do_not_honor do_not_try_again duplicate_transaction
    expired_card fraudulent generic_decline incorrect_address incorrect_cvc incorrect_number incorrect_pin
    incorrect_zip insufficient_funds invalid_account invalid_amount invalid_cvc invalid_expiry_month
    invalid_expiry_year invalid_number invalid_pin issuer_not_available lost_card merchant_blacklist
    new_account_information_available no_action_taken not_permitted offline_pin_required
    online_or_offline_pin_required pickup_card pin_try_exceeded processing_error reenter_transaction
    restricted_card revocation_of_all_authorizations revocation_of_authorization security_violation
    service_not_allowed stolen_card stop_payment_order testmode_decline transaction_not_allowed
    try_again_later withdrawal_count_limit_exceeded mobile_device_authentication_required

    partner_generic_decline invalid_customer_account payment_limit_exceeded invalid_billing_agreement
    invalid_business_account partner_high_risk_customer compliance_violation payment_disputed
    invalid_authorization invalid_payment_information partner_payment_not_found
    expired_payment_information
"""
SMART_RETRIES = {"highest_risk_level"}

NEVER_AGAIN = """
    lost_card stolen_card pickup_card fraudulent incorrect_number expired_card revocation_of_authorization
    revocation_of_all_authorizations stop_payment_order do_not_try_again authentication_required
    invalid_account transaction_not_allowed highest_risk_level merchant_blacklist
"""
PERHAPS_LATER = "insufficient_funds processing_error issuer_not_available try_again_later do_not_honor"


def test_no_documented_code_is_missing_and_none_is_made_up() -> None:
    assert set(DOCUMENTED.split()) | SMART_RETRIES == set(DECLINES)


def test_no_code_stands_in_two_classes() -> None:
    written = [code for codes in declines._CODES.values() for code in codes.split()]  # noqa: SLF001 - as written

    assert len(written) == len(set(written)) == len(DECLINES)


def test_every_class_says_whether_it_may_be_retried() -> None:
    assert {policy.decline_class for policy in DECLINES.values()} == set(DeclineClass)
    assert set(declines._MAY_RETRY) == set(DeclineClass)  # noqa: SLF001 - completeness of the table


def test_every_advice_that_the_sdk_knows_is_known_here() -> None:
    advice = _words(stripe.Charge.Outcome.__annotations__["advice_code"])

    assert advice
    assert advice == set(ADVICE)


def test_every_error_code_that_means_a_decline_is_one_of_stripes() -> None:
    codes = _words(stripe.PaymentIntent.LastPaymentError.__annotations__["code"])

    assert "card_declined" in codes
    assert codes >= CARD_ERROR_CODES


@pytest.mark.parametrize("code", NEVER_AGAIN.split())
def test_a_hard_decline_is_never_retried(code: str) -> None:
    assert not may_retry(code, None)


@pytest.mark.parametrize("code", PERHAPS_LATER.split())
def test_a_soft_decline_may_be_retried(code: str) -> None:
    assert may_retry(code, None)


@pytest.mark.parametrize("code", [*sorted(DECLINES), "unheard_of", None])
def test_advice_outranks_the_table(code: str | None) -> None:
    assert may_retry(code, "try_again_later")
    assert not may_retry(code, "do_not_try_again")
    assert not may_retry(code, "confirm_card_data")


@given(st.text().filter(lambda code: code not in DECLINES), st.none() | st.text())
def test_what_is_unknown_is_a_decline_and_not_retried(code: str, advice: str | None) -> None:
    assert failure_reason("card_declined", code) is FailureReason.CARD_DECLINED
    assert advice in ADVICE or not may_retry(code, advice)


def test_advice_that_is_unknown_leaves_the_table_to_decide() -> None:
    assert may_retry("insufficient_funds", "new_advice")
    assert not may_retry("stolen_card", "new_advice")


@pytest.mark.parametrize(
    ("error_code", "decline_code", "reason"),
    [
        ("card_declined", "generic_decline", FailureReason.CARD_DECLINED),
        ("card_declined", "insufficient_funds", FailureReason.INSUFFICIENT_FUNDS),
        ("card_declined", None, FailureReason.CARD_DECLINED),
        ("expired_card", "expired_card", FailureReason.EXPIRED_CARD),
        ("expired_card", None, FailureReason.EXPIRED_CARD),
        ("incorrect_cvc", "incorrect_cvc", FailureReason.CARD_DECLINED),
        ("processing_error", "processing_error", FailureReason.PROCESSING_ERROR),
        ("processing_error", None, FailureReason.PROCESSING_ERROR),
        ("authentication_required", "authentication_required", FailureReason.CARD_DECLINED),
        ("payment_intent_authentication_failure", None, FailureReason.CARD_DECLINED),
        ("card_declined", "card_velocity_exceeded", FailureReason.CARD_DECLINED),
        ("parameter_invalid_empty", None, FailureReason.PROCESSING_ERROR),
        (None, None, FailureReason.PROCESSING_ERROR),
        (None, "stolen_card", FailureReason.CARD_DECLINED),
    ],
)
def test_the_reason_is_one_of_the_catalogues_four(
    error_code: str | None, decline_code: str | None, reason: FailureReason
) -> None:
    assert failure_reason(error_code, decline_code) is reason


def _words(hint: object) -> set[str]:
    """The strings of the literal types inside an annotation."""
    inside = get_args(hint)
    return {hint} if isinstance(hint, str) else set().union(*map(_words, inside))
