"""The verdict convicts: each way to break the promise is seen when one row, ledger line or message shows it."""

from collections.abc import Mapping
from typing import Any

import pytest

from payment_worker.devstack.chaos.audience import Told
from payment_worker.devstack.chaos.evidence import Evidence
from payment_worker.devstack.chaos.plan import Ask, Plan
from payment_worker.devstack.chaos.records import Records
from payment_worker.devstack.chaos.verdict import COUNTS, judged

PAYMENT, REFUND, DISPUTE = "payment-1", "refund-1", "du_1"
Rows = dict[str, Any]


def an_ask(kind: str, identity: str) -> Ask:
    """What was planned."""
    return Ask(
        task=f"payment_worker.{kind}",
        queue="charges",
        identity=identity,
        payment_id=PAYMENT,
        arguments={},
        at=(0,),
    )


def a_step(subject: str, kind: str, before: str | None, after: str) -> Rows:
    """A row of the history."""
    return {"subject": subject, "kind": kind, "from_status": before, "to_status": after}


def an_innocent_run(**changes: object) -> Evidence:
    """A payment of 100 that was charged once, refunded by 40 and disputed; the test replaces what matters."""
    history = [
        a_step(PAYMENT, "payment", None, "REQUESTED"),
        a_step(PAYMENT, "payment", "REQUESTED", "SUCCEEDED"),
        a_step(REFUND, "refund", None, "REQUESTED"),
        a_step(REFUND, "refund", "REQUESTED", "PROCESSED"),
        a_step(DISPUTE, "dispute", None, "NEEDS_RESPONSE"),
    ]
    payment = {
        "status": "SUCCEEDED",
        "amount_captured": 100,
        "amount_refunded": 40,
        "payment_method": "pm_card_visa",
    }
    refund = {
        "whose": PAYMENT,
        "status": "PROCESSED",
        "stripe_refund_id": "re_1",
        "amount": 40,
        "fingerprint": "asked for",
        "waits_until": None,
    }
    intent = {
        "id": "pi_1",
        "status": "succeeded",
        "captured": 100,
        "refunded": 40,
        "effects": 1,
        "attempts": 1,
    }
    told = [
        Told("1", "PaymentRequested", PAYMENT),
        Told("2", "PaymentSucceeded", PAYMENT),
        Told("3", "RefundRequested", REFUND),
        Told("4", "RefundProcessed", REFUND),
        Told("5", "DisputeOpened", DISPUTE),
    ]
    parts: dict[str, Any] = {
        "payments": {PAYMENT: payment},
        "refunds": {REFUND: refund},
        "refunds_of": {PAYMENT: [refund]},
        "history_of": {PAYMENT: history},
        "attempts_of": {PAYMENT: [{"action": "charge", "status": "EXECUTED", "asked_by": None}]},
        "rejected": {},
        "intents_of": {PAYMENT: [intent]},
        "stripe_refunds_of": {REFUND: [{"id": "re_1", "status": "succeeded", "amount": 40}]},
        "disputes": {DISPUTE: {"whose": PAYMENT, "status": "NEEDS_RESPONSE", "amount": 100}},
        "stripe_disputes": {DISPUTE: {"status": "needs_response", "amount": 100, "payment_intent": "pi_1"}},
    }
    plan = Plan(charges=(an_ask("charge", PAYMENT),), refunds=(an_ask("refund", REFUND),), changes=())
    whole: dict[str, Any] = {"plan": plan, "told": {PAYMENT: told}}
    for name, change in changes.items():
        (whole if name in whole else parts)[name] = change
    return Evidence(records=Records(**parts), **whole)


def guilts(evidence: Evidence) -> set[str]:
    """What the run is found guilty of."""
    return {name for name, breaches in judged(evidence).items() if breaches}


def the(innocent: Mapping[str, Any], **changes: object) -> Rows:
    """The same row with other values."""
    return {**innocent, **changes}


INNOCENT = an_innocent_run()
INTENT = INNOCENT.records.intents_of[PAYMENT][0]
ROW, REFUND_ROW = INNOCENT.records.payments[PAYMENT], INNOCENT.records.refunds[REFUND]
HISTORY, TOLD = INNOCENT.records.history_of[PAYMENT], INNOCENT.told[PAYMENT]
THEIRS = INNOCENT.records.stripe_refunds_of[REFUND][0]

GUILTY: dict[str, dict[str, Any]] = {
    "doubled": {"intents_of": {PAYMENT: [the(INTENT, effects=2, attempts=2)]}},
    "lost": {"plan": Plan(charges=(an_ask("charge", "never seen"),), refunds=(), changes=())},
    "stuck": {"payments": {PAYMENT: the(ROW, status="PROCESSING")}},
    "over-refunded": {"intents_of": {PAYMENT: [the(INTENT, refunded=101)]}},
    "charges that differ": {"payments": {PAYMENT: the(ROW, amount_captured=99)}},
    "refunds that differ": {"stripe_refunds_of": {REFUND: [the(THEIRS, amount=39)]}},
    "disputes that differ": {"disputes": {}, "history_of": {PAYMENT: HISTORY[:-1]}},
    "histories broken": {"history_of": {PAYMENT: [*HISTORY[:1], *HISTORY[2:]]}},
    "messages missing": {"told": {PAYMENT: TOLD[:1]}},
    "messages out of order": {"told": {PAYMENT: [TOLD[1], TOLD[0], *TOLD[2:]]}},
}


def test_an_innocent_run_is_acquitted() -> None:
    assert guilts(INNOCENT) == set()


def test_each_charge_has_its_guilty_run() -> None:
    assert GUILTY.keys() == COUNTS.keys()


@pytest.mark.parametrize("charge", GUILTY)
def test_a_guilty_run_is_convicted(charge: str) -> None:
    assert charge in guilts(an_innocent_run(**GUILTY[charge]))


def test_a_second_refund_at_stripe_is_a_doubled_one() -> None:
    twice = {REFUND: [THEIRS, the(THEIRS, id="re_2")]}
    assert "doubled" in guilts(an_innocent_run(stripe_refunds_of=twice))


def test_a_bank_that_was_asked_once_too_often_is_asked_doubly() -> None:
    assert "doubled" in guilts(an_innocent_run(intents_of={PAYMENT: [the(INTENT, attempts=2)]}))


def test_a_charge_that_nobody_asked_for_is_lost() -> None:
    assert "lost" in guilts(an_innocent_run(intents_of={PAYMENT: [INTENT], "stranger": [INTENT]}))


def a_plan_to(change: str) -> Plan:
    """The innocent one, and a change by message-1."""
    innocent = INNOCENT.plan
    return Plan(charges=innocent.charges, refunds=innocent.refunds, changes=(an_ask(change, "message-1"),))


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
def test_a_change_that_left_nothing_behind_is_lost_unless_it_was_moot(
    change: str, status: str, *, is_lost: bool
) -> None:
    run = an_innocent_run(plan=a_plan_to(change), payments={PAYMENT: the(ROW, status=status)})
    assert ("lost" in guilts(run)) is is_lost


def test_a_change_that_was_refused_is_not_lost() -> None:
    plan, still_open = a_plan_to("capture"), {PAYMENT: the(ROW, status="AUTHORIZED")}
    refused = an_innocent_run(plan=plan, payments=still_open, rejected={"message-1": {}})
    assert "lost" not in guilts(refused)


def test_a_refund_waits_for_its_customer_without_being_stuck() -> None:
    waits = an_innocent_run(
        payments={PAYMENT: the(ROW, status="REQUIRES_ACTION")},
        refunds={REFUND: the(REFUND_ROW, status="REQUESTED", waits_until="soon")},
    )
    assert "stuck" not in guilts(waits)
