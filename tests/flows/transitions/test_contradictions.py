"""News that contradicts our record is a finding at once, the same that a reconciliation makes of it."""

import pytest

from payment_worker.flows.context import Context
from payment_worker.flows.reconciliation.run import reconcile
from tests.flows.scene import Scene
from tests.harness.rows import Rows

FINDINGS = "SELECT * FROM reconciliation_finding ORDER BY finding_id"


def findings(rows: Rows) -> list[tuple[str, str]]:
    return [(row["kind"], row["status"]) for row in rows(FINDINGS)]


def reconcile_all(context: Context) -> None:
    done = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_finished


def test_an_event_of_a_second_payment_intent_is_a_finding_at_once(
    scene: Scene, rows: Rows, context: Context
) -> None:
    payment_id = scene.charge()
    made = {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"}
    scene.simulator.post("payment_intents", {**made, "metadata": scene.metadata_of(payment_id)})
    scene.simulator.advance(60)
    scene.deliver(scene.events())
    assert findings(rows) == [("second_payment_intent", "OPEN")]
    before = rows(FINDINGS)
    reconcile_all(context)
    assert rows(FINDINGS) == before


def test_an_event_that_contradicts_our_record_is_a_finding_at_once_and_the_same_one_later(
    scene: Scene, rows: Rows, context: Context
) -> None:
    scene.charge(payment_method="pm_card_processing")
    rows("UPDATE payment SET amount = 6000")
    scene.simulator.advance(60)
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    assert findings(rows) == [("payment_amount_differs", "OPEN")]
    assert rows.one("SELECT status FROM stripe_event")["status"] == "PROCESSED"
    reconcile_all(context)
    before = rows(FINDINGS)
    reconcile_all(context)
    assert rows(FINDINGS) == before
    assert rows.one("SELECT run_id FROM reconciliation_finding")["run_id"] is None


def test_an_answer_that_contradicts_our_record_is_a_finding_and_its_attempt_stays_open(
    scene: Scene, rows: Rows, context: Context
) -> None:
    scene.charge_unanswered()
    rows("UPDATE payment SET currency = 'USD'")
    with pytest.raises(AssertionError, match="attempts wait for ever"):
        scene.resume()
    assert findings(rows) == [("payment_currency_differs", "OPEN")]
    assert rows.one("SELECT status, unknown_reason FROM payment_attempt")["status"] == "UNKNOWN"
    reconcile_all(context)
    assert findings(rows)[0] == ("payment_currency_differs", "OPEN")
