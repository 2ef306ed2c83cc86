"""An attempt is sent again only while that is safe, and comes back later and later."""

from datetime import timedelta

import pytest

from payment_worker.domain.attempts.attempt import (
    Step,
    next_step,
)
from payment_worker.domain.attempts.backoff import (
    FIRST_DELAY,
    LONGEST_CAPACITY_DELAY,
    LONGEST_DELAY,
    backoff_delay,
    next_try,
)
from payment_worker.domain.attempts.outcome import WAITS_FOR_CAPACITY, Delay, UnknownReason
from tests.unit.domain.builders import NOON, an_attempt

SAFE = timedelta(hours=23)


@pytest.mark.parametrize("unknown_reason", [None, *UnknownReason])
def test_past_its_keys_safe_age_an_attempt_is_only_looked_up(unknown_reason: UnknownReason | None) -> None:
    assert (
        next_step(an_attempt(unknown_reason=unknown_reason), now=NOON + SAFE, key_safe_age=SAFE)
        is Step.LOOK_UP
    )


@pytest.mark.parametrize(
    "unknown_reason",
    [None, UnknownReason.NO_ANSWER, UnknownReason.TRUNCATED_ANSWER, UnknownReason.NOT_FOUND_YET],
)
def test_silence_is_met_by_the_same_request_under_the_same_key(unknown_reason: UnknownReason | None) -> None:
    assert next_step(an_attempt(unknown_reason=unknown_reason), now=NOON, key_safe_age=SAFE) is Step.SEND


@pytest.mark.parametrize(
    "unknown_reason",
    [
        UnknownReason.SERVER_ERROR,
        UnknownReason.REPLAYED_SERVER_ERROR,
        UnknownReason.KEY_MISMATCH,
        UnknownReason.SUPERSEDED,
    ],
)
def test_after_a_server_error_stripe_is_asked_what_exists(unknown_reason: UnknownReason) -> None:
    assert next_step(an_attempt(unknown_reason=unknown_reason), now=NOON, key_safe_age=SAFE) is Step.LOOK_UP


def test_delays_double_up_to_a_limit_and_jitter_moves_them_by_a_quarter() -> None:
    delays = [backoff_delay(tries, jitter=0.5) for tries in range(1, 40)]
    assert delays[0] == FIRST_DELAY
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY
    assert backoff_delay(1, jitter=0) == FIRST_DELAY * 0.75


def after_rounds(reason: str, rounds: int) -> tuple[int, list[timedelta]]:
    tries, delays = 0, []
    for _ in range(rounds):
        tries, delay = next_try(tries, reason, jitter=0.999)
        delays.append(delay)
    return tries, delays


@pytest.mark.parametrize("reason", sorted(WAITS_FOR_CAPACITY))
def test_what_is_throttled_comes_back_within_half_a_minute_however_long_that_lasts(reason: Delay) -> None:
    tries, delays = after_rounds(reason, 1000)
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_CAPACITY_DELAY * (0.75 + 0.999 / 2) < timedelta(seconds=30)
    _, then = next_try(tries, UnknownReason.NO_ANSWER, jitter=0.5)
    assert then <= timedelta(minutes=2)


@pytest.mark.parametrize(
    "reason", [*UnknownReason, *sorted(set(Delay) - WAITS_FOR_CAPACITY - {Delay.SCAN_CONTINUES})]
)
def test_all_else_comes_back_later_and_later(reason: UnknownReason | Delay) -> None:
    tries, delays = after_rounds(reason, 30)
    assert tries == 30
    assert delays[-1] > LONGEST_DELAY


@pytest.mark.parametrize("tries", [0, 3, 30])
def test_a_lookup_that_made_progress_continues_soon_however_often(tries: int) -> None:
    assert next_try(tries, Delay.SCAN_CONTINUES, jitter=0.5) == (tries, FIRST_DELAY)


def test_a_pause_resets_no_tries() -> None:
    assert next_try(20, Delay.PAUSED, jitter=0)[0] == 20


def test_what_was_never_sent_is_sent_however_old_it_is() -> None:
    attempt = an_attempt(never_sent=True)
    assert next_step(attempt, now=NOON + timedelta(days=30), key_safe_age=SAFE) is Step.SEND
