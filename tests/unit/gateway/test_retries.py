"""A call is made again while its outcome may pass and there is time, and no later hold-up hides an earlier silence."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from payment_worker.domain.attempts.outcome import (
    NOT_SENT,
    Delay,
    Outcome,
    Postponed,
    Rejected,
    Unanswered,
    UnknownReason,
)
from payment_worker.gateway.transport.retries import REPEATED, with_retries

SILENCE = Unanswered(UnknownReason.NO_ANSWER)


def answering(*outcomes: Outcome) -> tuple[Callable[[], Outcome], list[Outcome]]:
    left = list(outcomes)
    return lambda: left.pop(0), left


def test_what_is_final_ends_it_at_once() -> None:
    call, left = answering(Rejected("amount_too_small"), SILENCE)
    assert with_retries(call, time_left=lambda: 100, call_seconds=1) == Rejected("amount_too_small")
    assert left == [SILENCE]


def test_what_may_pass_is_tried_again_once_for_each_such_outcome() -> None:
    call, left = answering(SILENCE, Postponed(Delay.RATE_LIMITED), Rejected("amount_too_small"))
    times_left = [100.0, 100.0]
    assert with_retries(call, time_left=times_left.pop, call_seconds=1) == Rejected("amount_too_small")
    assert not left
    assert not times_left


def test_without_time_for_another_call_there_is_none() -> None:
    call, left = answering(SILENCE, SILENCE)
    assert with_retries(call, time_left=lambda: 0.5, call_seconds=1) == SILENCE
    assert len(left) == 1


@pytest.mark.parametrize("delay", sorted(NOT_SENT))
def test_what_we_hold_back_ourselves_is_not_tried_again(delay: Delay) -> None:
    assert delay not in REPEATED
    call, left = answering(Postponed(delay), SILENCE)
    assert with_retries(call, time_left=lambda: 100, call_seconds=1) == Postponed(delay)
    assert len(left) == 1


@pytest.mark.parametrize("delay", sorted(NOT_SENT))
def test_a_missing_answer_stays_unknown_when_a_later_try_is_throttled(delay: Delay) -> None:
    call, _ = answering(SILENCE, Postponed(delay))
    assert with_retries(call, time_left=lambda: 100, call_seconds=1) == SILENCE


def test_what_is_certain_outweighs_an_earlier_silence() -> None:
    call, _ = answering(SILENCE, Rejected("amount_too_small"))
    assert with_retries(call, time_left=lambda: 100, call_seconds=1) == Rejected("amount_too_small")


def test_a_call_of_another_thread_changes_nothing() -> None:
    call, left = answering(SILENCE, Postponed(Delay.RATE_LIMITED), Rejected("amount_too_small"))

    def call_while_another_does() -> Outcome:
        others, others_left = answering(SILENCE, Rejected("expired_card"))
        another = other.submit(with_retries, others, time_left=lambda: 100, call_seconds=1)
        assert another.result() == Rejected("expired_card")
        assert not others_left
        return call()

    with ThreadPoolExecutor(1) as other:
        outcome = with_retries(call_while_another_does, time_left=lambda: 50, call_seconds=1)
    assert outcome == Rejected("amount_too_small")
    assert not left
