"""What was before another try is no news of it; what came of it is, however it is heard of."""

from dataclasses import replace
from typing import Any

import pytest

from payment_worker.domain.payment import PaymentStatus, PaymentTrigger
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot
from payment_worker.domain.transitions.payments import (
    retry_payment,
    shows_previous_attempt,
    transition_payment,
)
from payment_worker.domain.transitions.verdicts import Advanced, Stale, Unchanged
from tests.unit.domain.builders import a_payment, a_snapshot

POOR = Decline(error_code="card_declined", decline_code="insufficient_funds", advice_code="try_again_later")
WEAK_NEWS = [None, PaymentTrigger.FAILED, PaymentTrigger.ACTION_REQUIRED]
STRONG_NEWS = sorted(
    set(PaymentTrigger) - {PaymentTrigger.FAILED, PaymentTrigger.ACTION_REQUIRED, PaymentTrigger.RETRIED}
)


DECLINED = a_payment(
    PaymentStatus.FAILED,
    version=2,
    failure_reason="INSUFFICIENT_FUNDS",
    decline_code="insufficient_funds",
    advice_code="try_again_later",
    stripe_charge_id="ch_1",
)
TRIED = retry_payment(DECLINED)


def a_try_seen(
    news: PaymentTrigger | None,
    charge: str | None,
    **changes: Any,  # noqa: ANN401 - any field
) -> PaymentIntentSnapshot:
    decline = POOR if news is PaymentTrigger.FAILED else None
    return a_snapshot(news, **{"stripe_charge_id": charge, "decline": decline, "as_of_version": 3} | changes)


def test_a_try_begins_anew_and_is_counted() -> None:
    assert (TRIED.status, TRIED.retries, TRIED.version) == (PaymentStatus.REQUESTED, 1, 3)
    assert (TRIED.failure_reason, TRIED.decline_code, TRIED.advice_code) == (None, None, None)
    assert (TRIED.stripe_payment_intent_id, TRIED.stripe_charge_id) == ("pi_1", "ch_1")


@pytest.mark.parametrize("news", WEAK_NEWS)
def test_the_decline_before_it_changes_nothing(news: PaymentTrigger | None) -> None:
    assert transition_payment(TRIED, a_try_seen(news, "ch_1")) == Unchanged()


def test_a_decline_with_a_charge_of_its_own_is_applied() -> None:
    verdict = transition_payment(TRIED, a_try_seen(PaymentTrigger.FAILED, "ch_2"))
    assert isinstance(verdict, Advanced)
    assert (verdict.payment.status, verdict.payment.stripe_charge_id) == (PaymentStatus.FAILED, "ch_2")
    assert verdict.payment.advice_code == "try_again_later"


@pytest.mark.parametrize("news", [PaymentTrigger.FAILED, PaymentTrigger.ACTION_REQUIRED])
def test_what_is_known_to_show_the_retry_is_applied_without_a_charge(news: PaymentTrigger) -> None:
    assert isinstance(transition_payment(TRIED, a_try_seen(news, "ch_1", is_from_attempt=True)), Advanced)


@pytest.mark.parametrize("news", STRONG_NEWS)
@pytest.mark.parametrize("charge", ["ch_1", "ch_2", None])
def test_what_a_declined_payment_never_showed_is_applied_whatever_its_charge(
    news: PaymentTrigger, charge: str | None
) -> None:
    assert not shows_previous_attempt(TRIED, a_try_seen(news, charge))
    assert isinstance(transition_payment(TRIED, a_try_seen(news, charge)), Advanced)


@pytest.mark.parametrize("news", [PaymentTrigger.FAILED, PaymentTrigger.ACTION_REQUIRED])
def test_the_first_try_has_none_before_it(news: PaymentTrigger) -> None:
    first = a_payment(PaymentStatus.REQUESTED, version=2)
    assert isinstance(transition_payment(first, a_try_seen(news, None, as_of_version=2)), Advanced)


def test_once_it_has_failed_again_the_same_charge_is_simply_known() -> None:
    failed = transition_payment(TRIED, a_try_seen(PaymentTrigger.FAILED, "ch_2"))
    assert isinstance(failed, Advanced)
    again = a_try_seen(PaymentTrigger.FAILED, "ch_2", as_of_version=failed.payment.version)
    assert transition_payment(failed.payment, again) == Unchanged()


def test_a_snapshot_from_before_the_try_is_fetched_again_first() -> None:
    assert transition_payment(TRIED, a_try_seen(PaymentTrigger.FAILED, "ch_2", as_of_version=2)) == Stale()


def test_an_action_that_is_needed_has_its_address_until_it_is_over() -> None:
    where = "https://hooks.stripe.com/1"
    needed = transition_payment(TRIED, a_try_seen(PaymentTrigger.ACTION_REQUIRED, "ch_2", action_url=where))
    assert isinstance(needed, Advanced)
    assert needed.payment.action_url == where
    over = transition_payment(needed.payment, a_try_seen(PaymentTrigger.SUCCEEDED, "ch_3"))
    assert isinstance(over, Advanced)
    assert over.payment.action_url is None


@pytest.mark.parametrize(
    "news", sorted(set(PaymentTrigger) - {PaymentTrigger.FAILED, PaymentTrigger.RETRIED})
)
def test_no_other_status_keeps_the_decline_or_the_address_of_the_one_before(news: PaymentTrigger) -> None:
    declined = replace(DECLINED, action_url="https://hooks.stripe.com/1")
    verdict = transition_payment(declined, a_try_seen(news, "ch_2", as_of_version=2))
    assert isinstance(verdict, Advanced)
    after = verdict.payment
    assert (after.failure_reason, after.decline_code, after.advice_code) == (None, None, None)
    assert after.action_url is None


@pytest.mark.parametrize(
    ("stripes", "ours", "told"),
    [
        ("automatic", None, "automatic"),
        (None, "out of stock", "out of stock"),
        ("abandoned", "x", "abandoned"),
    ],
)
def test_a_cancellation_publishes_stripes_reason_or_else_the_callers(
    stripes: str | None, ours: str | None, told: str
) -> None:
    asked = replace(DECLINED, cancellation_reason=ours)
    verdict = transition_payment(
        asked, a_try_seen(PaymentTrigger.CANCELED, "ch_1", cancellation_reason=stripes)
    )
    assert isinstance(verdict, Advanced)
    assert verdict.payment.cancellation_reason == told


def test_success_forgets_why_it_should_have_been_canceled() -> None:
    asked = replace(DECLINED, cancellation_reason="out of stock")
    verdict = transition_payment(asked, a_try_seen(PaymentTrigger.SUCCEEDED, "ch_2"))
    assert isinstance(verdict, Advanced)
    assert verdict.payment.cancellation_reason is None
