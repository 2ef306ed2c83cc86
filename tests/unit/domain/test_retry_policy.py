"""The worker retries a declined payment by itself as often and as soon as the settings and the decline allow."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.retry_policy import LONGEST_DELAY, automatic_retry_at
from tests.unit.domain.builders import a_payment, a_retry_policy

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONCE = a_retry_policy(automatic=1)


def a_declined_payment(**changes: Any) -> Payment:  # noqa: ANN401 - any field of a payment
    return a_payment(PaymentStatus.FAILED, **{"decline_code": "insufficient_funds"} | changes)


def test_the_worker_retries_no_decline_unless_the_policy_says_so() -> None:
    declined = a_declined_payment()
    assert automatic_retry_at(declined, policy=a_retry_policy(), now=NOON) is None
    assert automatic_retry_at(declined, policy=ONCE, now=NOON) == NOON + timedelta(days=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"retries": 1},
        {"decline_code": "do_not_try_again"},
        {"decline_code": "insufficient_funds", "advice_code": "do_not_try_again"},
        {"decline_code": "expired_card"},
        {"decline_code": None},
        {"stripe_payment_intent_id": None},
    ],
    ids=str,
)
def test_it_does_not_beyond_its_number_nor_where_the_decline_forbids_it(changes: dict[str, Any]) -> None:
    declined = a_declined_payment(**changes)
    assert automatic_retry_at(declined, policy=ONCE, now=NOON) is None


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - {PaymentStatus.FAILED}))
def test_it_tries_again_only_what_failed(status: PaymentStatus) -> None:
    payment = a_payment(status, decline_code="insufficient_funds")
    assert automatic_retry_at(payment, policy=ONCE, now=NOON) is None


def test_the_time_between_its_tries_doubles() -> None:
    policy = a_retry_policy(automatic=4, first_delay=timedelta(hours=1))
    payments = [a_declined_payment(retries=retries) for retries in range(4)]
    due = [automatic_retry_at(payment, policy=policy, now=NOON) for payment in payments]
    assert due == [NOON + timedelta(hours=hours) for hours in (1, 2, 4, 8)]


@pytest.mark.parametrize("days", [1, 30, 3650])
def test_however_often_it_was_tried_there_is_a_date_for_the_next(days: int) -> None:
    policy = a_retry_policy(automatic=100, first_delay=timedelta(days=days))
    due = automatic_retry_at(a_declined_payment(retries=99), policy=policy, now=NOON)
    assert due == NOON + LONGEST_DELAY
