"""A token bucket spreads calls evenly but for a small burst; a breaker opens after failures in a row, and probes."""

import pytest

from payment_worker.domain.outcome import Delay
from payment_worker.gateway.rate_limit.limits import (
    LONGEST_COOL_DOWN_SECONDS,
    Limits,
    Permit,
    Rate,
    Throttled,
    endpoint_of,
)
from payment_worker.gateway.rate_limit.local_limiter import Breaker, LocalLimiter, due

LIMITS = Limits(account=None, endpoint=None, failures=3, cool_down_seconds=10, probe_seconds=5)


def begins(per_second: float, calls: int, *, now: float = 100) -> list[float]:
    arrival, times = 0.0, []
    for _ in range(calls):
        at, arrival = due(arrival, Rate(per_second), now=now)
        times.append(at - now)
    return times


def failed(breaker: Breaker, now: float, *, times: int = 1, is_probe: bool = False) -> float:
    return [breaker.failed(now, LIMITS, is_probe=is_probe) for _ in range(times)][-1]


def test_a_slow_bucket_gives_turns_at_equal_intervals() -> None:
    assert begins(2, 4) == [0, 0.5, 1, 1.5]


def test_a_tenth_of_a_seconds_calls_may_begin_at_once() -> None:
    times = begins(100, 12)
    assert times == pytest.approx([0] * 10 + [0.01, 0.02])


def test_an_idle_bucket_saves_no_more_than_a_burst() -> None:
    _, arrival = due(0, Rate(100), now=100)
    at, following = due(arrival, Rate(100), now=1000)
    assert (at, following) == (1000, 1000.01)


@pytest.mark.parametrize("per_second", [0.01, 1, 25, 100, 1000])
def test_in_no_second_more_calls_begin_than_the_rate_and_a_burst(per_second: float) -> None:
    times = begins(per_second, 3000)
    burst = max(1, per_second / 10)
    assert sum(at < 1 for at in times) <= per_second + burst


def test_a_closed_breaker_holds_nothing_and_probes_nothing() -> None:
    breaker = Breaker()
    assert failed(breaker, 0, times=2) == 0
    assert breaker.held(0) == 0
    assert not breaker.begin(0, probe_seconds=5)


def test_a_breaker_opens_at_its_limit_for_its_first_cool_down() -> None:
    breaker = Breaker()
    assert failed(breaker, 0, times=3) == 10
    assert [breaker.held(now) for now in (0, 9, 10)] == [10, 1, 0]


def test_while_one_call_probes_all_others_wait_for_it_and_no_longer_than_a_call_takes() -> None:
    breaker = Breaker()
    failed(breaker, 0, times=3)
    assert breaker.begin(10, probe_seconds=5)
    assert [breaker.held(now) for now in (10, 14, 15)] == [5, 1, 0]


def test_cool_downs_double_up_to_their_limit_while_probes_fail() -> None:
    breaker, now, cool_downs = Breaker(), 0.0, []
    cool_downs.append(failed(breaker, now, times=3))
    for _ in range(8):
        now += breaker.held(now)
        breaker.begin(now, probe_seconds=5)
        cool_downs.append(failed(breaker, now, is_probe=True))
    assert cool_downs[:4] == [10, 20, 40, 80]
    assert cool_downs[-1] == LONGEST_COOL_DOWN_SECONDS


def test_late_failures_of_calls_that_began_before_make_nothing_longer() -> None:
    breaker = Breaker()
    failed(breaker, 0, times=3)
    assert failed(breaker, 9, times=5) == 0
    assert breaker.held(9) == 1


def test_alone_a_process_takes_a_tenth_of_every_rate() -> None:
    traffic = LocalLimiter(
        Limits(account=Rate(10), endpoint=None, failures=3, cool_down_seconds=1, probe_seconds=1)
    )
    given = [traffic.acquire("other", account="a", longest_wait=2.5, now=50) for _ in range(4)]
    assert [each.wait_seconds for each in given] == pytest.approx([0, 1, 2, 3])
    assert isinstance(given[-1], Throttled)
    assert given[-1].delay is Delay.THROTTLED
    assert all(isinstance(each, Permit) and not each.is_shared for each in given[:3])


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
