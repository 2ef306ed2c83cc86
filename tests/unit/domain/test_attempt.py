"""An attempt is sent again only while that is safe, and its absence is believed only when nothing can be on its way."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from payment_worker.domain.attempts.attempt import (
    PROVES_EXECUTION,
    Action,
    Attempt,
    AttemptStatus,
    LookupProgress,
    Step,
    absence_is_believed,
    next_step,
    resume_after,
    unknown_reason_after_absence,
)
from payment_worker.domain.attempts.backoff import (
    FIRST_DELAY,
    LONGEST_CAPACITY_DELAY,
    LONGEST_DELAY,
    backoff_delay,
    next_try,
)
from payment_worker.domain.attempts.outcome import WAITS_FOR_CAPACITY, Delay, UnknownReason

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SAFE = timedelta(hours=23)
DELAY = timedelta(minutes=2)


def an_attempt(**changes: Any) -> Attempt:  # noqa: ANN401 - any field of an attempt
    ordinary: dict[str, Any] = {
        "attempt_id": 1,
        "payment_id": uuid4(),
        "refund_id": None,
        "number": 1,
        "action": Action.CHARGE,
        "path": "/v1/payment_intents",
        "parameters": "{}",
        "idempotency_key": "key",
        "status": AttemptStatus.OPEN,
        "unknown_reason": None,
        "first_sent_at": NOON,
        "sent_until": NOON,
        "tries": 0,
        "lease_token": 1,
        "leased_until": NOON + timedelta(minutes=1),
        "as_of_version": 1,
    }
    return Attempt(**ordinary | changes)


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


def test_absence_is_believed_once_no_request_can_be_on_its_way() -> None:
    attempt = an_attempt(unknown_reason=UnknownReason.REPLAYED_SERVER_ERROR)
    assert not absence_is_believed(
        attempt, call_began_at=NOON + DELAY - timedelta(seconds=1), absence_delay=DELAY
    )
    assert absence_is_believed(attempt, call_began_at=NOON + DELAY, absence_delay=DELAY)


def test_absence_is_counted_from_the_last_moment_at_which_anybody_may_have_sent() -> None:
    attempt = an_attempt(sent_until=NOON + timedelta(minutes=1))
    assert not absence_is_believed(attempt, call_began_at=NOON + DELAY, absence_delay=DELAY)


@pytest.mark.parametrize("unknown_reason", sorted(PROVES_EXECUTION))
def test_a_key_that_somebody_used_is_never_taken_for_absent(unknown_reason: UnknownReason) -> None:
    call_began_at = NOON + timedelta(days=30)
    assert not absence_is_believed(
        an_attempt(unknown_reason=unknown_reason), call_began_at=call_began_at, absence_delay=DELAY
    )
    assert unknown_reason_after_absence(unknown_reason) is unknown_reason


def a_place(at: datetime, **changes: object) -> str | None:
    return resume_after(
        an_attempt(lookup_progress=LookupProgress(at, "pi_1"), **changes), absence_delay=DELAY
    )


def test_a_lookup_continues_where_a_round_stopped_that_could_prove_absence() -> None:
    assert a_place(NOON + DELAY) == "pi_1"
    assert a_place(NOON + DELAY - timedelta(seconds=1)) is None
    assert resume_after(an_attempt(), absence_delay=DELAY) is None


def test_whatever_may_have_been_sent_since_makes_a_place_void() -> None:
    assert a_place(NOON + DELAY, sent_until=NOON + timedelta(days=1)) is None
    assert a_place(NOON + DELAY, sent_until=NOON + timedelta(seconds=1)) is None


@pytest.mark.parametrize("unknown_reason", sorted(PROVES_EXECUTION))
def test_a_lookup_that_proves_nothing_stores_no_cursor(unknown_reason: UnknownReason) -> None:
    assert a_place(NOON + timedelta(days=30), unknown_reason=unknown_reason) is None


def test_a_fresh_server_error_may_be_sent_again_once_nothing_was_found_and_a_replayed_one_not() -> None:
    assert unknown_reason_after_absence(UnknownReason.SERVER_ERROR) is UnknownReason.NOT_FOUND_YET
    assert (
        unknown_reason_after_absence(UnknownReason.REPLAYED_SERVER_ERROR)
        is UnknownReason.REPLAYED_SERVER_ERROR
    )


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
