"""A refund only moves forward, and may still fail after it succeeded."""

import itertools

import pytest

from payment_worker.domain.refund import (
    REFUND_TRANSITIONS,
    RELEASED,
    RefundStatus,
    RefundTrigger,
    next_status,
)

ORDER = (
    RefundStatus.REQUESTED,
    RefundStatus.REQUIRES_ACTION,
    RefundStatus.PENDING,
    RefundStatus.PROCESSED,
    RefundStatus.FAILED,
)


def test_every_state_is_in_the_table() -> None:
    assert set(REFUND_TRANSITIONS) == set(RefundStatus)


def test_every_move_is_forward() -> None:
    moves = [(one, to) for one, ways in REFUND_TRANSITIONS.items() for to in ways.values()]
    assert moves
    rank = {status: place for place, status in enumerate(ORDER)} | {RefundStatus.CANCELED: len(ORDER)}
    assert all(rank[one] < rank[to] for one, to in moves)


def test_a_processed_refund_may_still_fail_and_nothing_else() -> None:
    assert dict(REFUND_TRANSITIONS[RefundStatus.PROCESSED]) == {RefundTrigger.FAILED: RefundStatus.FAILED}


def test_what_has_given_its_money_back_never_moves_again() -> None:
    assert {status for status, ways in REFUND_TRANSITIONS.items() if not ways} == RELEASED


@pytest.mark.parametrize(
    ("one", "other"),
    [pair for pair in itertools.combinations(RefundTrigger, 2) if RefundTrigger.CANCELED not in pair],
)
def test_two_snapshots_lead_to_the_same_record_in_either_order(
    one: RefundTrigger, other: RefundTrigger
) -> None:
    start = RefundStatus.REQUESTED
    assert next_status(next_status(start, one), other) is next_status(next_status(start, other), one)
