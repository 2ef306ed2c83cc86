"""Each invariant of the checker reports a violation that a single row, ledger line or message shows."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from payment_worker.devstack.chaos.checker.check import INVARIANTS, check
from payment_worker.devstack.chaos.checker.invariant import RunResult
from payment_worker.devstack.chaos.checker.records import Records
from payment_worker.devstack.chaos.workload.consumer import PublishedMessage
from payment_worker.devstack.chaos.workload.generator import ADOPTED_AS, PlannedRequest, Workload

PAYMENT, REFUND, DISPUTE, WARNING = str(UUID(int=1)), "refund-1", "du_1", "issfr_1"
Rows = dict[str, Any]


def a_request(kind: str, request_id: str) -> PlannedRequest:
    """One request of the workload."""
    return PlannedRequest(
        task=f"payment_worker.{kind}",
        queue="charges",
        request_id=request_id,
        payment_id=PAYMENT,
        arguments={},
        at=(0,),
    )


def a_transition(subject: str, kind: str, before: str | None, after: str) -> Rows:
    """A row of the history."""
    return {"subject": subject, "kind": kind, "from_status": before, "to_status": after}


def our_records() -> dict[str, Any]:
    """The tables after a payment of 100 that was charged once, refunded by 40 and disputed."""
    payment = {
        "status": "SUCCEEDED",
        "stripe_payment_intent_id": "pi_1",
        "amount_captured": 100,
        "amount_refunded": 40,
        "payment_method": "pm_card_visa",
    }
    refund = {
        "payment": PAYMENT,
        "status": "PROCESSED",
        "stripe_refund_id": "re_1",
        "amount": 40,
        "fingerprint": "asked for",
        "waits_until": None,
    }
    history = [
        a_transition(PAYMENT, "payment", None, "REQUESTED"),
        a_transition(PAYMENT, "payment", "REQUESTED", "SUCCEEDED"),
        a_transition(REFUND, "refund", None, "REQUESTED"),
        a_transition(REFUND, "refund", "REQUESTED", "PROCESSED"),
        a_transition(DISPUTE, "dispute", None, "NEEDS_RESPONSE"),
    ]
    return {
        "payments": {PAYMENT: payment},
        "refunds": {REFUND: refund},
        "refunds_of": {PAYMENT: [refund]},
        "history_of": {PAYMENT: history},
        "attempts_of": {PAYMENT: [{"action": "charge", "status": "EXECUTED", "task_request_id": None}]},
        "rejected": {},
        "disputes": {DISPUTE: {"payment": PAYMENT, "status": "NEEDS_RESPONSE", "amount": 100}},
        "warnings": {WARNING: {"payment": PAYMENT, "is_actionable": True}},
    }


def records_at_stripe() -> dict[str, Any]:
    """The simulator's ledger after the same."""
    intent = {
        "id": "pi_1",
        "status": "succeeded",
        "captured": 100,
        "refunded": 40,
        "effects": 1,
        "attempts": 1,
        "metadata": {},
    }
    return {
        "intents_of": {PAYMENT: [intent]},
        "stripe_refunds_of": {REFUND: [{"id": "re_1", "status": "succeeded", "amount": 40}]},
        "stripe_disputes": {DISPUTE: {"status": "needs_response", "amount": 100, "payment_intent": "pi_1"}},
        "stripe_warnings": {WARNING: {"payment_intent": "pi_1", "actionable": True}},
        "forged": frozenset({"pi_copy"}),
        "forged_refunds": frozenset(),
    }


def a_correct_run(**changes: object) -> RunResult:
    """A run of that one payment; the test replaces what matters."""
    published = [
        PublishedMessage("1", "PaymentRequested", PAYMENT),
        PublishedMessage("2", "PaymentSucceeded", PAYMENT),
        PublishedMessage("3", "RefundRequested", REFUND),
        PublishedMessage("4", "RefundProcessed", REFUND),
        PublishedMessage("5", "DisputeOpened", DISPUTE),
        PublishedMessage("6", "PaymentSuspected", WARNING),
    ]
    workload = Workload(
        charges=(a_request("charge", PAYMENT),), refunds=(a_request("refund", REFUND),), changes=()
    )
    parts = {**our_records(), **records_at_stripe()}
    whole: dict[str, Any] = {"workload": workload, "published": {PAYMENT: published}}
    for name, change in changes.items():
        (whole if name in whole else parts)[name] = change
    return RunResult(records=Records(**parts), **whole)


def violated(result: RunResult) -> set[str]:
    """The invariants that the run violates."""
    return {name for name, violations in check(result).items() if violations}


def the(row: Mapping[str, Any], **changes: object) -> Rows:
    """The same row with other values."""
    return {**row, **changes}


CORRECT = a_correct_run()
INTENT = CORRECT.records.intents_of[PAYMENT][0]
ROW, REFUND_ROW = CORRECT.records.payments[PAYMENT], CORRECT.records.refunds[REFUND]
HISTORY, PUBLISHED = CORRECT.records.history_of[PAYMENT], CORRECT.published[PAYMENT]
STRIPE_REFUND = CORRECT.records.stripe_refunds_of[REFUND][0]

VIOLATING: dict[str, dict[str, Any]] = {
    "doubled": {"intents_of": {PAYMENT: [the(INTENT, effects=2, attempts=2)]}},
    "forged": {"payments": {PAYMENT: the(ROW, stripe_payment_intent_id="pi_copy")}},
    "lost": {"workload": Workload(charges=(a_request("charge", "never seen"),), refunds=(), changes=())},
    "stuck": {"payments": {PAYMENT: the(ROW, status="PROCESSING")}},
    "over-refunded": {"intents_of": {PAYMENT: [the(INTENT, refunded=101)]}},
    "charges that differ": {"payments": {PAYMENT: the(ROW, amount_captured=99)}},
    "refunds that differ": {"stripe_refunds_of": {REFUND: [the(STRIPE_REFUND, amount=39)]}},
    "disputes that differ": {"disputes": {}, "history_of": {PAYMENT: HISTORY[:-1]}},
    "warnings that differ": {"published": {PAYMENT: [*PUBLISHED, PUBLISHED[-1]]}},
    "histories broken": {"history_of": {PAYMENT: [*HISTORY[:1], *HISTORY[2:]]}},
    "messages missing": {"published": {PAYMENT: PUBLISHED[:1]}},
    "messages out of order": {"published": {PAYMENT: [PUBLISHED[1], PUBLISHED[0], *PUBLISHED[2:]]}},
}


def test_a_correct_run_violates_nothing() -> None:
    assert violated(CORRECT) == set()


def test_each_invariant_has_a_run_that_violates_it() -> None:
    assert VIOLATING.keys() == INVARIANTS.keys()


@pytest.mark.parametrize("invariant", VIOLATING)
def test_a_violation_is_reported(invariant: str) -> None:
    assert invariant in violated(a_correct_run(**VIOLATING[invariant]))


def test_a_second_refund_at_stripe_is_doubled() -> None:
    twice = {REFUND: [STRIPE_REFUND, the(STRIPE_REFUND, id="re_2")]}
    assert "doubled" in violated(a_correct_run(stripe_refunds_of=twice))


def test_a_charge_without_an_attempt_is_doubled() -> None:
    assert "doubled" in violated(a_correct_run(intents_of={PAYMENT: [the(INTENT, attempts=2)]}))


def test_what_checkout_charged_is_not_doubled_by_its_adoption() -> None:
    from_checkout = the(INTENT, metadata={ADOPTED_AS: PAYMENT})
    adopted = a_correct_run(intents_of={PAYMENT: [from_checkout]}, attempts_of={})
    assert "doubled" not in violated(adopted)
    assert "doubled" in violated(a_correct_run(intents_of={PAYMENT: [INTENT]}, attempts_of={}))


def test_a_charge_that_nobody_requested_is_lost() -> None:
    assert "lost" in violated(a_correct_run(intents_of={PAYMENT: [INTENT], "stranger": [INTENT]}))


def a_workload_with(change: str) -> Workload:
    """The correct run's workload, and a change by message-1."""
    correct = CORRECT.workload
    return Workload(
        charges=correct.charges, refunds=correct.refunds, changes=(a_request(change, "message-1"),)
    )


@pytest.mark.parametrize(
    ("change", "status", "is_lost"),
    [
        ("capture", "AUTHORIZED", True),
        ("cancel", "AUTHORIZED", True),
        ("retry_charge", "AUTHORIZED", False),
        ("retry_charge", "FAILED", True),
        ("capture", "CANCELED", False),
    ],
)
def test_a_change_that_left_nothing_behind_is_lost_unless_it_was_a_no_op(
    change: str, status: str, *, is_lost: bool
) -> None:
    run = a_correct_run(workload=a_workload_with(change), payments={PAYMENT: the(ROW, status=status)})
    assert ("lost" in violated(run)) is is_lost


def test_a_change_that_was_rejected_is_not_lost() -> None:
    workload, still_open = a_workload_with("capture"), {PAYMENT: the(ROW, status="AUTHORIZED")}
    rejected = a_correct_run(workload=workload, payments=still_open, rejected={"message-1": {}})
    assert "lost" not in violated(rejected)


def test_a_dispute_that_is_lost_when_it_begins_is_told_as_opened_and_closed() -> None:
    lost = {"payment": PAYMENT, "status": "LOST", "amount": 100}
    run = a_correct_run(
        history_of={PAYMENT: [*HISTORY[:-1], a_transition(DISPUTE, "dispute", None, "LOST")]},
        disputes={DISPUTE: lost},
        stripe_disputes={DISPUTE: {"status": "lost", "amount": 100, "payment_intent": "pi_1"}},
        published={PAYMENT: [*PUBLISHED, PublishedMessage("7", "DisputeClosed", DISPUTE)]},
    )
    assert violated(run) == set()


def test_a_refund_waits_for_its_customer_without_being_stuck() -> None:
    waits = a_correct_run(
        payments={PAYMENT: the(ROW, status="REQUIRES_ACTION")},
        refunds={REFUND: the(REFUND_ROW, status="REQUESTED", waits_until="soon")},
    )
    assert "stuck" not in violated(waits)


@pytest.mark.parametrize(("status", "differs"), [("FAILED", False), ("CANCELED", False), ("SUCCEEDED", True)])
def test_a_payment_of_which_stripe_knows_nothing_has_failed_or_was_canceled(
    status: str, *, differs: bool
) -> None:
    untouched = the(ROW, status=status, amount_captured=0, amount_refunded=0)
    run = a_correct_run(payments={PAYMENT: untouched}, intents_of={})
    assert ("charges that differ" in violated(run)) is differs
