"""An object that Stripe does not find counts as absent only when no request for it can be on its way."""

from datetime import datetime, timedelta

import pytest

from payment_worker.domain.attempts.absence import (
    absence_is_believed,
    resume_after,
    unknown_reason_after_absence,
)
from payment_worker.domain.attempts.attempt import PROVES_EXECUTION, LookupProgress
from payment_worker.domain.attempts.outcome import UnknownReason
from tests.unit.domain.builders import NOON, an_attempt

DELAY = timedelta(minutes=2)


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
