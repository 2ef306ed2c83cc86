"""The limits are Stripe's own where we talk to Stripe, none elsewhere, and whatever an operator sets."""

import pytest

from payment_worker import bootstrap
from payment_worker.settings import Settings, SettingsError

LIVE, TEST = "sk_live_planted", "sk_test_planted"
STRIPE, ELSEWHERE = "https://api.stripe.com", "http://127.0.0.1:12111"


def account_rate(**environment: str) -> float | None:
    chosen = Settings.from_environment(environment, needed_by=())
    rate = bootstrap.limits(chosen).account
    return None if rate is None else rate.per_second


@pytest.mark.parametrize(
    ("key", "base", "rate"),
    [
        (LIVE, STRIPE, 100),
        ("rk_live_planted", STRIPE + "/", 100),
        (TEST, STRIPE, 25),
        (LIVE, ELSEWHERE, None),
        (TEST, ELSEWHERE, None),
    ],
)
def test_the_account_has_stripes_own_limit_with_stripe_alone(key: str, base: str, rate: float | None) -> None:
    assert account_rate(STRIPE_API_KEY=key, STRIPE_API_BASE=base) == rate


@pytest.mark.parametrize("base", [STRIPE, ELSEWHERE])
def test_what_is_set_counts_everywhere(base: str) -> None:
    rate = account_rate(STRIPE_API_KEY=LIVE, STRIPE_API_BASE=base, PAYMENT_WORKER_STRIPE_RATE="7.5")
    assert rate == 7.5


@pytest.mark.parametrize(
    "fault",
    [
        {"PAYMENT_WORKER_STRIPE_RATE": "0"},
        {"PAYMENT_WORKER_STRIPE_ENDPOINT_RATE": "-1"},
        {"PAYMENT_WORKER_BREAKER_FAILURES": "0"},
        {"PAYMENT_WORKER_BREAKER_COOL_DOWN": "301"},
        {"PAYMENT_WORKER_KEY_SAFE_AGE": "86401"},
    ],
)
def test_a_limit_that_makes_no_sense_is_a_fault(fault: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(fault))):
        Settings.from_environment(fault, needed_by=())
