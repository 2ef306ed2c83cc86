"""How often and when a declined payment is retried: `PAYMENT_WORKER_AUTOMATIC_RETRIES` and the settings beside it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from payment_worker.domain.attempts.declines import may_retry
from payment_worker.domain.payment import Payment, PaymentStatus

LONGEST_DELAY: Final = timedelta(days=3650)
"""As long as a setting may be. Doubled for ever, a delay would end beyond the last date that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a declined payment may be retried. The card networks fine retries beyond their limits."""

    automatic: int
    """Times that the worker does it by itself."""
    first_delay: timedelta
    """Before the first of those; doubled before each further one."""
    most: int
    """The most retries in all, requested or automatic."""
    most_in_period: int
    period: timedelta


def automatic_retry_at(payment: Payment, *, policy: RetryPolicy, now: datetime) -> datetime | None:
    """When the worker tries a payment again by itself that one of its own attempts was declined for; None: never."""
    if payment.status is not PaymentStatus.FAILED or payment.stripe_payment_intent_id is None:
        return None
    if payment.retries >= policy.automatic or not may_retry(payment.decline_code, payment.advice_code):
        return None
    seconds = policy.first_delay.total_seconds() * 2.0**payment.retries
    return now + timedelta(seconds=min(seconds, LONGEST_DELAY.total_seconds()))
