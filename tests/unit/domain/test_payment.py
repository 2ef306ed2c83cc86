"""A payment's states only move forward, and its final ones are never left.

The table is the truth in one place; what must hold of it is written here by hand, for a test made from the
table could not see a wrong one.
"""

import itertools

import pytest

from payment_worker.domain.payment import (
    FINAL_TRIGGERS,
    PAYMENT_TRANSITIONS,
    PaymentStatus,
    PaymentTrigger,
    next_status,
)

EVERY_PAIR = list(itertools.product(PaymentStatus, PaymentTrigger))


def test_every_state_is_in_the_table_final_ones_written_out_empty() -> None:
    assert set(PAYMENT_TRANSITIONS) == set(PaymentStatus)
    assert {status for status, moves in PAYMENT_TRANSITIONS.items() if not moves} == {
        PaymentStatus.SUCCEEDED,
        PaymentStatus.CANCELED,
    }


@pytest.mark.parametrize("news", PaymentTrigger)
def test_success_is_never_taken_back(news: PaymentTrigger) -> None:
    assert next_status(PaymentStatus.SUCCEEDED, news) is PaymentStatus.SUCCEEDED


@pytest.mark.parametrize(
    "status", sorted(set(PaymentStatus) - {PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED})
)
def test_success_is_applied_in_every_open_status(status: PaymentStatus) -> None:
    assert next_status(status, PaymentTrigger.SUCCEEDED) is PaymentStatus.SUCCEEDED


def test_nothing_goes_back_to_requested_but_another_try_of_what_has_not_succeeded() -> None:
    assert EVERY_PAIR
    ways = {
        (status, news) for status, news in EVERY_PAIR if next_status(status, news) is PaymentStatus.REQUESTED
    }
    assert {way for way in ways if way[0] is not PaymentStatus.REQUESTED} == {
        (PaymentStatus.FAILED, PaymentTrigger.RETRIED),
        (PaymentStatus.REQUIRES_ACTION, PaymentTrigger.RETRIED),
    }


@pytest.mark.parametrize("status", [PaymentStatus.AUTHORIZED, PaymentStatus.PROCESSING])
def test_what_may_still_take_the_money_is_not_tried_again(status: PaymentStatus) -> None:
    assert next_status(status, PaymentTrigger.RETRIED) is status


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - {PaymentStatus.SUCCEEDED}))
def test_cancellation_is_applied_in_every_status_but_success(status: PaymentStatus) -> None:
    assert next_status(status, PaymentTrigger.CANCELED) is PaymentStatus.CANCELED


def test_what_is_held_is_not_lost_to_a_late_decline() -> None:
    assert next_status(PaymentStatus.AUTHORIZED, PaymentTrigger.FAILED) is PaymentStatus.AUTHORIZED


def test_an_authorisation_ends_only_in_capture_or_cancellation() -> None:
    assert set(PAYMENT_TRANSITIONS[PaymentStatus.AUTHORIZED].values()) == {
        PaymentStatus.SUCCEEDED,
        PaymentStatus.CANCELED,
    }


def test_only_final_snapshots_need_no_version() -> None:
    assert {PaymentTrigger.SUCCEEDED, PaymentTrigger.CANCELED} == FINAL_TRIGGERS


def test_every_state_can_come_to_an_end() -> None:
    def ends(status: PaymentStatus, seen: frozenset[PaymentStatus] = frozenset()) -> bool:
        moves = PAYMENT_TRANSITIONS[status]
        return not moves or any(ends(to, seen | {status}) for to in moves.values() if to not in seen)

    assert all(ends(status) for status in PaymentStatus)
