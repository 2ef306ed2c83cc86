"""What may be done with a payment is decided in every state, and nothing is asked of Stripe that cannot be."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from payment_worker.domain.eligibility import (
    Decision,
    Done,
    Proceed,
    Reject,
    RejectionReason,
    decide_cancel,
    decide_capture,
    decide_retry,
)
from payment_worker.domain.payment import PAYMENT_TRANSITIONS, Payment, PaymentStatus, PaymentTrigger
from tests.unit.domain import builders

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STATUSES = list(PaymentStatus)


def a_payment(status: PaymentStatus, **changes: Any) -> Payment:  # noqa: ANN401 - any field of a payment
    held = status in {PaymentStatus.AUTHORIZED, PaymentStatus.SUCCEEDED}
    ordinary: dict[str, Any] = {
        "amount_authorized": 1000 if held else 0,
        "decline_code": "insufficient_funds" if status is PaymentStatus.FAILED else None,
        "stripe_charge_id": "ch_1",
    }
    return builders.a_payment(status, **ordinary | changes)


def retry(payment: Payment, **changes: Any) -> Decision:  # noqa: ANN401 - any argument
    ordinary: dict[str, Any] = {
        "same_method": False,
        "retries_in_period": 0,
        "policy": builders.a_retry_policy(),
    }
    return decide_retry(payment, **ordinary | changes)


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_is_held_is_captured(status: PaymentStatus) -> None:
    asked = isinstance(decide_capture(a_payment(status), amount=None), Proceed)
    assert asked is (status is PaymentStatus.AUTHORIZED)


@pytest.mark.parametrize("status", STATUSES)
def test_what_the_table_never_cancels_is_never_canceled(status: PaymentStatus) -> None:
    asked = isinstance(decide_cancel(a_payment(status)), Proceed)
    assert asked is (PaymentTrigger.CANCELED in PAYMENT_TRANSITIONS[status])


@pytest.mark.parametrize("status", STATUSES)
def test_what_the_table_never_tries_again_is_never_tried_again(status: PaymentStatus) -> None:
    asked = isinstance(retry(a_payment(status)), Proceed)
    assert asked is (PaymentTrigger.RETRIED in PAYMENT_TRANSITIONS[status])


@pytest.mark.parametrize(
    ("amount", "decision"),
    [
        (None, Proceed(1000)),
        (1000, Proceed(1000)),
        (1, Proceed(1)),
        (1001, Reject(RejectionReason.EXCEEDS_AUTHORIZED)),
    ],
)
def test_a_capture_takes_at_most_what_is_held(amount: int | None, decision: Decision) -> None:
    assert decide_capture(a_payment(PaymentStatus.AUTHORIZED), amount=amount) == decision


@pytest.mark.parametrize(("currency", "amount"), [("KWD", 15), ("ISK", 150)])
def test_an_amount_that_its_currency_does_not_have_is_refused(currency: str, amount: int) -> None:
    held = a_payment(PaymentStatus.AUTHORIZED, currency=currency)
    assert decide_capture(held, amount=amount) == Reject(RejectionReason.NOT_A_STEP)


@pytest.mark.parametrize(
    ("captured", "amount", "decision"),
    [
        (1000, None, Done()),
        (1000, 1000, Done()),
        (400, 400, Done()),
        (400, None, Reject(RejectionReason.ALREADY_CAPTURED)),
        (400, 401, Reject(RejectionReason.ALREADY_CAPTURED)),
    ],
)
def test_a_second_capture_is_done_if_it_asks_for_what_was_taken(
    captured: int, amount: int | None, decision: Decision
) -> None:
    taken = a_payment(PaymentStatus.SUCCEEDED, amount_captured=captured)
    assert decide_capture(taken, amount=amount) == decision


@pytest.mark.parametrize(
    ("authorized", "reason", "rejection_reason"),
    [
        (1000, "automatic", RejectionReason.EXPIRED),
        (1000, "expired", RejectionReason.EXPIRED),
        (1000, "requested_by_customer", RejectionReason.CANCELED),
        (1000, None, RejectionReason.CANCELED),
        (0, "automatic", RejectionReason.CANCELED),
    ],
)
def test_an_expired_authorisation_is_distinguished_from_a_canceled_one(
    authorized: int, reason: str | None, rejection_reason: RejectionReason
) -> None:
    gone = a_payment(PaymentStatus.CANCELED, amount_authorized=authorized, cancellation_reason=reason)
    assert decide_capture(gone, amount=None) == Reject(rejection_reason)


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.REQUIRES_ACTION])
def test_what_stripe_never_made_is_neither_canceled_nor_tried_again(status: PaymentStatus) -> None:
    nothing = a_payment(status, stripe_payment_intent_id=None)
    assert decide_cancel(nothing) == retry(nothing) == Reject(RejectionReason.NOTHING_AT_STRIPE)


@pytest.mark.parametrize(
    ("code", "advice", "for_good"),
    [
        ("stolen_card", None, True),
        ("insufficient_funds", "do_not_try_again", True),
        ("insufficient_funds", None, False),
        # The customer may have put it right with the issuer, or the card's data were brought up to date.
        ("expired_card", "confirm_card_data", False),
        ("call_issuer", None, False),
    ],
)
def test_a_card_that_was_refused_for_good_is_not_tried_again_but_another_is(
    code: str, advice: str | None, *, for_good: bool
) -> None:
    failed = a_payment(PaymentStatus.FAILED, decline_code=code, advice_code=advice)
    expected = Reject(RejectionReason.DECLINED_FOR_GOOD) if for_good else Proceed()
    assert retry(failed, same_method=True) == expected
    assert retry(failed, same_method=False) == Proceed()


def test_tries_are_capped_in_all_and_in_a_period() -> None:
    policy = builders.a_retry_policy(most=5, most_in_period=2)
    failed = a_payment(PaymentStatus.FAILED, retries=4)
    assert retry(failed, policy=policy, retries_in_period=1) == Proceed()
    assert retry(failed, policy=policy, retries_in_period=2) == Reject(RejectionReason.TOO_MANY_RETRIES)
    often = a_payment(PaymentStatus.FAILED, retries=5)
    assert retry(often, policy=policy) == Reject(RejectionReason.TOO_MANY_RETRIES)


def test_every_refusal_has_a_word_of_its_own() -> None:
    words = [rejection_reason.value for rejection_reason in RejectionReason]
    assert words
    assert all(one != other for one, other in itertools.combinations(words, 2))
