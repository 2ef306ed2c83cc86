"""A bank debit is told as what it is, under way, until the bank has decided days later, and even after that."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from payment_worker.flows.maintenance.retention import PruneBudget, Retention, prune
from payment_worker.flows.reconciliation.run import reconcile
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DAY = 86_400
ACCEPTED = {
    "customer_acceptance": {"type": "online", "online": {"ip_address": "127.0.0.1", "user_agent": "a"}}
}
SEPA: dict[str, object] = {
    "payment_method": "pm_success_de",
    "customer_present": True,
    "mandate_data": ACCEPTED,
}


@pytest.fixture
def slow(scene: Scene) -> Scene:
    """A scene whose banks take four days, and take a debit back after a week."""
    scene.simulator.post("settings", {"processing_delay_seconds": 4 * DAY, "dispute_delay_seconds": 7 * DAY})
    return scene


def _payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _published(rows: Rows) -> Counter[str]:
    return Counter(row["type"] for row in rows("SELECT type FROM outbox"))


def _prune_all(scene: Scene) -> None:
    at_once = Retention(
        money=timedelta(seconds=1),
        events=timedelta(seconds=1),
        outbox=timedelta(),
        reports=timedelta(seconds=1),
    )
    assert prune(scene.context, at_once, PruneBudget(has_time=lambda: True)) is not None


@pytest.mark.parametrize(
    "debit",
    [
        SEPA,
        {**SEPA, "payment_method": "pm_bacsDebit_success", "currency": "GBP"},
        {"payment_method": "pm_usBankAccount_success", "currency": "USD", "mandate": "mandate_1"},
    ],
)
def test_it_is_under_way_until_the_bank_has_decided(
    slow: Scene, rows: Rows, debit: dict[str, object]
) -> None:
    payment_id = slow.charge(**debit)
    slow.deliver([*slow.events(), *slow.events()])
    assert (_payment(rows, payment_id)["status"], _payment(rows, payment_id)["amount_captured"]) == (
        "PROCESSING",
        0,
    )
    assert _published(rows) == {"PaymentRequested": 1, "PaymentProcessing": 1}
    told = rows.one("SELECT data FROM outbox WHERE type = 'PaymentProcessing'")["data"]
    assert told["processorReference"] == _payment(rows, payment_id)["stripe_payment_intent_id"]
    assert slow.refund(payment_id).status == "REQUESTED"  # it waits for the bank, too
    slow.advance(5 * DAY)
    slow.deliver(slow.events())
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert _published(rows)["PaymentSucceeded"] == 1


def test_a_bank_that_refuses_days_later_is_a_failure_then(slow: Scene, rows: Rows) -> None:
    payment_id = slow.charge(**{**SEPA, "payment_method": "pm_failed_de"})
    assert _payment(rows, payment_id)["status"] == "PROCESSING"
    slow.advance(5 * DAY)
    slow.deliver(slow.events())
    payment = _payment(rows, payment_id)
    assert (payment["status"], payment["failure_reason"]) == ("FAILED", "INSUFFICIENT_FUNDS")
    assert _published(rows) == {"PaymentRequested": 1, "PaymentProcessing": 1, "PaymentFailed": 1}


def test_a_debit_that_is_taken_back_after_it_succeeded_is_a_dispute_that_is_lost(
    slow: Scene, rows: Rows
) -> None:
    payment_id = slow.charge(**{**SEPA, "payment_method": "pm_disputed_de"})
    slow.advance(5 * DAY)
    slow.deliver(slow.events())
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    slow.advance(8 * DAY)
    disputes = ("charge.dispute.created", "charge.dispute.closed", "charge.dispute.funds_withdrawn")
    slow.deliver([*slow.events(types=disputes), *reversed(slow.events(types=disputes))])
    payment = _payment(rows, payment_id)
    assert (payment["status"], payment["is_disputed"]) == ("SUCCEEDED", True)
    assert rows.one("SELECT status, reason FROM dispute") == {
        "status": "LOST",
        "reason": "insufficient_funds",
    }
    assert (_published(rows)["DisputeOpened"], _published(rows)["DisputeClosed"]) == (1, 1)
    assert slow.refund(payment_id).reason == "charge_disputed"


@pytest.mark.parametrize("method", ["pm_success_de", "pm_failed_de"])
def test_an_outcome_beyond_every_retention_still_lands(slow: Scene, rows: Rows, method: str) -> None:
    payment_id = slow.charge(**{**SEPA, "payment_method": method})
    slow.deliver(slow.events())
    slow.clock.advance(4 * DAY)
    _prune_all(slow)
    slow.simulator.advance(5 * DAY)
    slow.deliver(slow.events(types=["payment_intent.succeeded", "payment_intent.payment_failed"]))
    assert _payment(rows, payment_id)["status"] == ("SUCCEEDED" if method == "pm_success_de" else "FAILED")


def test_an_outcome_whose_events_were_lost_is_found_by_reconciliation(slow: Scene, rows: Rows) -> None:
    payment_id = slow.charge(**SEPA)
    slow.advance(5 * DAY)
    now = slow.clock()
    assert reconcile(slow.context, since=now - timedelta(days=6), until=now, on_page=lambda _: True)
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_debits_nobody_twice(slow: Scene, rows: Rows, when: str) -> None:
    slow.simulator.fault("server_error", when=when, endpoint="payment_intents.create")
    payment_id = slow.charge(**SEPA)
    slow.resume()
    slow.advance(5 * DAY)
    slow.deliver(slow.events())
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert sum(line["effects"] for line in slow.simulator.ledger()["payment_intents"]) == 1


def test_a_debit_without_a_mandate_is_refused(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(payment_method="pm_success_de", customer_present=True)
    assert _payment(rows, payment_id)["status"] == "FAILED"
    assert _payment(rows, payment_id)["decline_code"] == "payment_intent_mandate_invalid"


def test_another_try_of_the_same_debit_has_its_mandate(slow: Scene) -> None:
    payment_id = slow.charge(**{**SEPA, "payment_method": "pm_failed_de"})
    slow.advance(5 * DAY)
    slow.deliver(slow.events())
    assert slow.retry(payment_id).status == "PROCESSING"
    (again,) = slow.simulator.journal(endpoint="payment_intents.confirm")
    assert again["params"]["mandate_data"] == ACCEPTED
