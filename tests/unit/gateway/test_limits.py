"""Which limits bind a call to Stripe."""

import pytest

from payment_worker.gateway.rate_limit.limits import Limits, Rate, endpoint_of


def test_an_endpoints_rate_that_cannot_bind_is_left_out() -> None:
    def rates(endpoint: float | None) -> tuple[Rate | None, Rate | None]:
        return Limits(
            account=Rate(100),
            endpoint=None if endpoint is None else Rate(endpoint),
            failures=1,
            cool_down_seconds=1,
            probe_seconds=1,
        ).rates()

    assert rates(None) == rates(100) == (Rate(100), None)
    assert rates(25) == (Rate(100), Rate(25))


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("post", "/v1/payment_intents", "payment_intents.create"),
        ("post", "/v1/refunds", "refunds.create"),
        ("get", "/v1/payment_intents", "other"),
        ("get", "/v1/refunds", "other"),
        ("post", "/v1/payment_intents/pi_1/capture", "other"),
        ("get", "/v1/events", "other"),
    ],
)
def test_calls_that_move_money_have_an_endpoint_of_their_own(method: str, path: str, endpoint: str) -> None:
    assert endpoint_of(method, path) == endpoint
