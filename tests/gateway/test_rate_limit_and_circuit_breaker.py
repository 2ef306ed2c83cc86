"""All workers together keep within Stripe's rate limits, and hold their calls while it does not answer."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.domain.attempts.outcome import Delay, Rejected, Unanswered, UnknownReason
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.rate_limit.limits import Limits, Permit, Rate, Throttled
from payment_worker.redis.client import redis_client

SLOW = Rate(1 / 60)
"""So slow that no test waits for the second call."""
NOTHING = Unanswered(UnknownReason.NO_ANSWER)
Starts = Callable[..., RateLimiter]

ONE_PROCESS = """
import sys
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.rate_limit.limits import Limits, Permit, Rate
from payment_worker.redis.client import redis_client
limits = Limits(account=Rate(1 / 60), endpoint=None, failures=10, cool_down_seconds=10, probe_seconds=10)
limiter = RateLimiter(redis_client(sys.argv[1], timeout_seconds=5), limits)
given = [limiter.acquire("other", account="", longest_wait=3 * 60 - 20) for _ in range(20)]
print(sum(isinstance(each, Permit) for each in given))
"""


def limits(**changes: object) -> Limits:
    ordinary: dict[str, object] = {
        "account": None,
        "endpoint": None,
        "failures": 3,
        "cool_down_seconds": 300,
        "probe_seconds": 60,
    }
    return Limits(**ordinary | changes)  # type: ignore[arg-type] # any field of the limits


@pytest.fixture
def start(redis_url: str) -> Iterator[Starts]:
    """Starts the limiter of one more process, with a connection of its own."""
    with ExitStack() as opened:

        def one(*, url: str = redis_url, timeout_seconds: float = 5, **changes: object) -> RateLimiter:
            client = opened.enter_context(closing(redis_client(url, timeout_seconds=timeout_seconds)))
            return RateLimiter(client, limits(**changes), redis_again_seconds=0.1)

        yield one


def permits(given: Sequence[Permit | Throttled]) -> list[Permit]:
    return [each for each in given if isinstance(each, Permit)]


def ask(limiter: RateLimiter, *, account: str = "", longest_wait: float = 0) -> Permit | Throttled:
    return limiter.acquire("other", account=account, longest_wait=longest_wait)


def a_permit(limiter: RateLimiter) -> Permit:
    given = ask(limiter)
    assert isinstance(given, Permit)
    return given


def fail(limiter: RateLimiter, *, times: int) -> None:
    for _ in range(times):
        limiter.report(a_permit(limiter), NOTHING)


def is_held(limiter: RateLimiter) -> bool:
    given = ask(limiter)
    return isinstance(given, Throttled) and given.delay is Delay.STRIPE_DOWN


def test_threads_share_one_limit_and_each_gets_a_permit_of_its_own(start: Starts) -> None:
    mine = [start(account=SLOW) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda n: ask(mine[n % 4], longest_wait=3 * 60 - 20), range(40)))
    waits = sorted(each.wait_seconds for each in permits(given))
    assert [round(wait / 60) for wait in waits] == [0, 1, 2]
    held = [each for each in given if isinstance(each, Throttled)]
    assert {each.delay for each in held} == {Delay.THROTTLED}


def test_processes_share_one_limit(redis_url: str) -> None:
    command = [sys.executable, "-c", ONE_PROCESS, redis_url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    counts = [int(each.communicate(timeout=60)[0]) for each in running]
    assert sum(counts) == 3


def test_a_call_without_a_permit_takes_no_other_calls_permit(start: Starts) -> None:
    limiter = start(account=SLOW)
    a_permit(limiter)
    assert not permits([ask(limiter, longest_wait=30) for _ in range(50)])
    (given,) = permits([ask(limiter, longest_wait=60)])
    assert round(given.wait_seconds / 60) == 1


def test_each_stripe_account_has_a_limit_of_its_own(start: Starts) -> None:
    limiter = start(account=SLOW)
    given = [ask(limiter, account=name) for name in ("", "acct_1", "acct_2", "", "acct_1")]
    assert len(permits(given)) == 3


def test_an_endpoints_limit_holds_that_endpoint_alone(start: Starts) -> None:
    limiter = start(account=Rate(1000), endpoint=SLOW)
    endpoints = ["payment_intents.create", "refunds.create", "other"]
    given = [limiter.acquire(name, account="", longest_wait=1) for name in endpoints * 2]
    assert [isinstance(each, Permit) for each in given] == [True] * 3 + [False] * 3


def test_without_a_rate_nothing_is_held(start: Starts) -> None:
    limiter = start()
    assert {each.wait_seconds for each in permits([ask(limiter) for _ in range(300)])} == {0}


def test_failures_in_a_row_hold_the_calls_of_every_process(start: Starts) -> None:
    one, other = start(), start()
    fail(one, times=2)
    assert not is_held(other)
    assert not other.breaker_is_open("")
    fail(other, times=1)
    assert is_held(one)
    assert is_held(other)
    assert one.breaker_is_open("")


@pytest.mark.parametrize(
    "outcome", [None, Rejected("amount_too_small"), Unanswered(UnknownReason.REPLAYED_SERVER_ERROR)]
)
def test_any_answer_at_all_ends_the_row(start: Starts, outcome: Rejected | Unanswered | None) -> None:
    limiter = start()
    fail(limiter, times=2)
    limiter.report(a_permit(limiter), outcome)
    fail(limiter, times=2)
    assert not is_held(limiter)


def test_another_account_is_not_held(start: Starts) -> None:
    limiter = start()
    fail(limiter, times=3)
    assert permits([ask(limiter, account="acct_1")])


def test_after_the_cool_down_one_call_probes_and_its_answer_lets_all_go_on(start: Starts) -> None:
    one, other = start(cool_down_seconds=0.2), start(cool_down_seconds=0.2)
    fail(one, times=3)
    (probe,) = wait_until(lambda: permits([ask(one)]))
    assert probe.is_probe
    assert is_held(one)
    assert is_held(other)
    one.report(probe, None)
    assert not is_held(one)
    assert not a_permit(other).is_probe


def test_a_probe_that_fails_doubles_the_cool_down(start: Starts) -> None:
    limiter = start(cool_down_seconds=1)
    fail(limiter, times=3)
    for doubled in (2, 4):
        (probe,) = wait_until(lambda: permits([ask(limiter)]))
        limiter.report(probe, NOTHING)
        held = ask(limiter)
        assert isinstance(held, Throttled)
        assert doubled / 2 < held.wait_seconds <= doubled


def test_a_probe_whose_process_died_is_followed_by_another(start: Starts) -> None:
    limiter = start(cool_down_seconds=0.1, probe_seconds=0.2)
    fail(limiter, times=3)
    probes = [wait_until(lambda: permits([ask(limiter)])) for _ in range(2)]
    assert all(probe.is_probe for (probe,) in probes)


def test_without_redis_a_call_goes_on_unlimited(start: Starts, own_valkey: Valkey) -> None:
    limiter = start(url=own_valkey.url(), account=SLOW)
    own_valkey.kill()
    assert len(permits([ask(limiter) for _ in range(5)])) == 5
    fail(limiter, times=5)
    assert not limiter.breaker_is_open("")


def test_once_redis_is_back_all_share_again(start: Starts, own_valkey: Valkey) -> None:
    limiter = start(url=own_valkey.url(), account=SLOW)
    own_valkey.kill()
    a_permit(limiter)
    own_valkey.start()
    other = start(url=own_valkey.url(), account=SLOW)
    wait_until(lambda: not permits([ask(limiter)]))
    assert not permits([ask(other)])


def test_a_redis_that_hangs_is_not_waited_for(start: Starts, own_valkey: Valkey) -> None:
    limiter = start(url=own_valkey.url(), timeout_seconds=0.2, account=SLOW)
    a_permit(limiter)
    own_valkey.pause()
    try:
        a_permit(limiter)
    finally:
        own_valkey.resume()
