"""Disputes only move forward, and a payment is disputed exactly while one of them holds its money."""

from dataclasses import replace
from itertools import permutations, product

import pytest

from payment_worker.domain import dispute as states
from payment_worker.domain.dispute import APPEALS, BLOCKING, OVER, PUBLISHED, RANKS, Dispute, DisputeStatus
from payment_worker.domain.eligibility import RefundRejectionReason, RejectRefund, Reserve, decide_refund
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import DisputeSnapshot
from payment_worker.domain.transitions.disputes import DisputeMoved, transition_dispute
from payment_worker.domain.transitions.verdicts import PaymentBehind, Stale, Unchanged
from tests.unit.domain.builders import a_payment


def a_sight(status: DisputeStatus, number: int = 1) -> DisputeSnapshot:
    return DisputeSnapshot(stripe_dispute_id=f"du_{number}", status=status, amount=1000, currency="EUR")


def after_all(
    *seen: DisputeSnapshot, now: DisputeStatus | None = None
) -> tuple[Payment, dict[str, Dispute], list[str]]:
    """What all of these came to; `now` is what Stripe shows whenever it is asked meanwhile."""
    payment = a_payment()
    known: dict[str, Dispute] = {}
    told: list[str] = []
    for each in seen:
        verdict = transition_dispute(payment, known.values(), each)
        if isinstance(verdict, Stale):
            assert now
            ours = known[each.stripe_dispute_id].status
            verdict = transition_dispute(payment, known.values(), a_sight(now).as_of(ours))
        if isinstance(verdict, DisputeMoved):
            payment = verdict.payment
            known[each.stripe_dispute_id] = verdict.dispute
            told += ["opened"] * verdict.opened + ["closed"] * verdict.closed
    return payment, known, told


def test_every_status_has_a_rank_and_blocking_and_decided_ones_are_published() -> None:
    assert set(RANKS) == set(DisputeStatus)
    assert BLOCKING | OVER == PUBLISHED
    assert not any(status.startswith("WARNING") for status in PUBLISHED)


@pytest.mark.parametrize(("status", "seen"), list(product(DisputeStatus, DisputeStatus)))
def test_no_snapshot_moves_a_dispute_backwards(status: DisputeStatus, seen: DisputeStatus) -> None:
    after = states.next_status(status, seen)
    assert after in {status, seen}
    if status in APPEALS and seen is DisputeStatus.LOST:
        assert after is seen
    else:
        assert after is status or RANKS[after] > RANKS[status]


@pytest.mark.parametrize("end", [DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.PREVENTED])
def test_e4_any_order_of_a_disputes_events_ends_in_the_same_status_and_publishes_each_once(
    end: DisputeStatus,
) -> None:
    life = [
        DisputeStatus.WARNING_NEEDS_RESPONSE,
        DisputeStatus.NEEDS_RESPONSE,
        DisputeStatus.UNDER_REVIEW,
        end,
    ]
    ends = {
        (payment.is_disputed, tuple(known.values()), tuple(told))
        for order in permutations([a_sight(each) for each in (*life, life[-1])])
        for payment, known, told in [after_all(*order)]
    }
    assert len(ends) == 1
    ((is_disputed, (dispute,), told),) = ends
    assert is_disputed == (end is DisputeStatus.LOST)
    assert dispute.status is end
    assert told == ("opened", "closed")


@pytest.mark.parametrize("end", [DisputeStatus.WON, DisputeStatus.LOST, *sorted(APPEALS)])
def test_e4_any_order_of_an_appeals_events_ends_with_stripes_last_status(end: DisputeStatus) -> None:
    life = [
        DisputeStatus.UNDER_REVIEW,
        DisputeStatus.LOST,
        DisputeStatus.APPEAL_NEEDS_RESPONSE,
        DisputeStatus.APPEAL_UNDER_REVIEW,
    ]
    life = [*life, end] if end not in APPEALS else life[: life.index(end) + 1]
    for order in permutations(map(a_sight, life)):
        payment, known, told = after_all(*order, now=end)
        assert [each.status for each in known.values()] == [end]
        assert payment.is_disputed == (end is not DisputeStatus.WON)
        assert told.count("opened") == 1


def test_of_a_loss_and_an_appeal_only_what_was_asked_for_since_is_believed() -> None:
    for first, then in product([DisputeStatus.LOST], APPEALS):
        for ours, seen in ((first, then), (then, first)):
            _, known, _ = after_all(a_sight(ours))
            for as_of_status in set(DisputeStatus) - {ours} | {None}:
                stale = replace(a_sight(seen), as_of_status=as_of_status)
                assert transition_dispute(a_payment(), known.values(), stale) == Stale()
            fresh = a_sight(seen).as_of(ours)
            assert isinstance(transition_dispute(a_payment(), known.values(), fresh), DisputeMoved)


def test_a_payment_is_disputed_until_the_last_of_its_disputes_lets_go() -> None:
    first, second = (DisputeStatus.NEEDS_RESPONSE, 1), (DisputeStatus.NEEDS_RESPONSE, 2)
    payment, _, _ = after_all(a_sight(*first), a_sight(*second), a_sight(DisputeStatus.WON, 1))
    assert payment.is_disputed
    payment, _, _ = after_all(
        a_sight(*first), a_sight(*second), a_sight(DisputeStatus.WON, 1), a_sight(DisputeStatus.WON, 2)
    )
    assert not payment.is_disputed


def test_what_is_known_already_changes_nothing() -> None:
    _, known, _ = after_all(a_sight(DisputeStatus.UNDER_REVIEW))
    verdict = transition_dispute(a_payment(), known.values(), a_sight(DisputeStatus.NEEDS_RESPONSE))
    assert verdict == Unchanged()


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - {PaymentStatus.SUCCEEDED}))
def test_a_dispute_waits_for_the_success_of_its_payment(status: PaymentStatus) -> None:
    seen = a_sight(DisputeStatus.NEEDS_RESPONSE)
    assert transition_dispute(a_payment(status), [], seen) == PaymentBehind()


@pytest.mark.parametrize("status", DisputeStatus)
def test_r6_refunds_are_refused_exactly_while_the_money_is_held(status: DisputeStatus) -> None:
    payment, _, _ = after_all(a_sight(status))
    decision = decide_refund(payment, amount=100)
    held = {"NEEDS_RESPONSE", "UNDER_REVIEW", "LOST", "APPEAL_NEEDS_RESPONSE", "APPEAL_UNDER_REVIEW"}
    if status in held:
        assert decision == RejectRefund(100, RefundRejectionReason.CHARGE_DISPUTED)
    else:
        assert decision == Reserve(100)
