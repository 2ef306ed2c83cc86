"""Whatever settle would call a contradiction reconciliation finds, and what agrees it passes over."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.domain.findings.payments import compare_payment
from payment_worker.domain.findings.refunds import compare_refund
from payment_worker.domain.payment import STATUS_OF_PAYMENT, PaymentStatus, PaymentTrigger
from payment_worker.domain.refund import STATUS_SHOWN, RefundStatus, RefundTrigger
from payment_worker.domain.transitions.payments import transition_payment
from payment_worker.domain.transitions.refunds import transition_refund
from payment_worker.domain.transitions.verdicts import Advanced, Contradicted, Contradiction
from tests.unit.domain.builders import a_payment, a_refund, a_refund_snapshot, a_snapshot

PAYMENT_CHANGES: list[dict[str, Any]] = [
    {},
    {"amount": 999},
    {"currency": "USD"},
    {"stripe_payment_intent_id": "pi_2"},
]
REPAIRABLE = {
    FindingKind.PAYMENT_STATUS_DIFFERS,
    FindingKind.REFUND_NOT_OURS,
    FindingKind.REFUND_STATUS_DIFFERS,
    FindingKind.DISPUTE_NOT_RECORDED,
    FindingKind.DISPUTE_STATUS_DIFFERS,
}
"""Differences that applying Stripe's snapshot may resolve; statuses only move forward, so trying is safe."""

REFUND_CHANGES: list[dict[str, Any]] = [{}, {"amount": 99}, {"currency": "USD"}, {"stripe_refund_id": "re_2"}]


@pytest.mark.parametrize(("status", "news"), list(product(PaymentStatus, PaymentTrigger)))
def test_a_payment_agrees_with_just_the_snapshots_of_its_status(
    status: PaymentStatus, news: PaymentTrigger
) -> None:
    if news is PaymentTrigger.RETRIED:
        assert news not in STATUS_OF_PAYMENT
        return
    difference = compare_payment(a_payment(status), a_snapshot(news))
    assert (difference is None) is (STATUS_OF_PAYMENT[news] is status)


@pytest.mark.parametrize(
    ("status", "news", "change"), list(product(PaymentStatus, STATUS_OF_PAYMENT, PAYMENT_CHANGES))
)
def test_whatever_contradicts_a_payment_is_a_difference_that_nothing_repairs(
    status: PaymentStatus, news: PaymentTrigger, change: dict[str, Any]
) -> None:
    payment, seen = a_payment(status), a_snapshot(news, **change)
    verdict = transition_payment(payment, seen)
    difference = compare_payment(payment, seen)
    if isinstance(verdict, Contradicted):
        assert difference is not None
        assert difference.kind not in REPAIRABLE or verdict == Contradicted(Contradiction.STATUS_DIFFERS)
    if isinstance(verdict, Advanced):
        left = compare_payment(verdict.payment, seen)
        assert (left is None) is (verdict.contradiction is None)
    if difference is None:
        assert not isinstance(verdict, Contradicted)


def test_less_captured_than_stripe_took_is_a_difference() -> None:
    difference = compare_payment(a_payment(amount_captured=600), a_snapshot())
    assert difference is not None
    assert difference.kind is FindingKind.PAYMENT_AMOUNT_DIFFERS
    assert difference.detail == {"ours": 600, "theirs": 1000}


def test_a_payment_that_does_not_know_its_payment_intent_is_a_difference() -> None:
    difference = compare_payment(
        a_payment(PaymentStatus.FAILED, stripe_payment_intent_id=None), a_snapshot(PaymentTrigger.FAILED)
    )
    assert difference is not None
    assert difference.kind in REPAIRABLE


@pytest.mark.parametrize(("status", "news"), list(product(RefundStatus, RefundTrigger)))
def test_a_refund_agrees_with_just_the_snapshots_of_its_status(
    status: RefundStatus, news: RefundTrigger
) -> None:
    difference = compare_refund(a_payment(), a_refund(status), a_refund_snapshot(news))
    assert (difference is None) is (STATUS_SHOWN[news] is status)


@pytest.mark.parametrize(
    ("status", "news", "change", "sent"),
    list(product(RefundStatus, RefundTrigger, REFUND_CHANGES, [True, False])),
)
def test_whatever_contradicts_a_refund_is_a_difference_that_nothing_repairs(
    status: RefundStatus,
    news: RefundTrigger,
    change: dict[str, Any],
    sent: bool,  # noqa: FBT001 - one case of the table
) -> None:
    refund = a_refund(status) if sent else replace(a_refund(status), stripe_refund_id=None)
    payment = a_payment(amount_refund_reserved=100, amount_refunded=100)
    seen = a_refund_snapshot(news, **change)
    if isinstance(transition_refund(payment, refund, seen), Contradicted):
        difference = compare_refund(payment, refund, seen)
        assert difference is not None
        assert difference.kind not in REPAIRABLE


def test_a_refund_that_nobody_here_asked_for_is_adopted() -> None:
    difference = compare_refund(a_payment(), None, a_refund_snapshot())
    assert difference is not None
    assert difference.kind is FindingKind.REFUND_NOT_OURS
    assert difference.kind in REPAIRABLE
