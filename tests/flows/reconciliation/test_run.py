"""Reconciliation finds every difference by name, repairs what is safe, and done twice changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from payment_worker.flows.context import Context
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.store.reconciliation.reconciliation_runs import Run
from tests.flows.scene import Scene
from tests.harness.rows import Rows

Reconcile = Callable[[], Run]

EVERYTHING = "SELECT * FROM {} ORDER BY 1"
TABLES = ("payment", "refund", "dispute", "outbox", "payment_history", "reconciliation_finding")


@pytest.fixture
def reconciled(context: Context) -> Reconcile:
    """Reconciles all that there is, to the end."""

    def run() -> Run:
        now = context.clock()
        since, until = now - timedelta(days=20), now + timedelta(days=20)
        done = reconcile(context, since=since, until=until, on_page=lambda _: True)
        assert done is not None
        assert done.run.is_finished
        return done.run

    return run


def everything(rows: Rows) -> list[list[dict[str, object]]]:
    return [rows(EVERYTHING.format(table)) for table in TABLES]


def findings(rows: Rows) -> list[tuple[str, str]]:
    found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY kind")
    return [(row["kind"], row["status"]) for row in found]


def intent_of(rows: Rows, payment_id: UUID) -> str:
    row = rows.one(
        "SELECT stripe_payment_intent_id AS id FROM payment WHERE payment_id = %s", str(payment_id)
    )
    return str(row["id"])


def test_where_both_records_agree_nothing_is_found_and_nothing_is_asked_twice(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    for _ in range(3):
        scene.refund(scene.charge(), amount=700)
    scene.advance(60)
    scene.deliver(scene.events())
    before = everything(rows)
    asked = scene.simulator.get("requests")

    run = reconciled()

    assert (run.payments, run.refunds, run.repaired, run.left_open) == (3, 3, 0, 0)
    assert everything(rows) == before
    now_asked = scene.simulator.get("requests")
    more = {name for name in now_asked if now_asked[name] != asked.get(name)}
    lists = ("payment_intents", "refunds", "disputes", "radar/early_fraud_warnings")
    assert {name: now_asked[name]["200"] for name in more} == {f"{name}.list": 1 for name in lists}


def test_an_appeal_whose_events_were_lost_is_repaired_both_ways(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    scene.charge(payment_method="pm_card_createDispute")
    scene.simulator.advance(60)
    reconciled()
    dispute = rows.one("SELECT stripe_dispute_id AS id FROM dispute")["id"]
    scene.simulator.post(f"disputes/{dispute}/close", {"status": "lost"})
    for status in ("LOST", "APPEAL_NEEDS_RESPONSE", "LOST"):
        assert reconciled().left_open == 0
        assert rows.one("SELECT status FROM dispute")["status"] == status
        step = "update" if status == "LOST" else "close"
        last = {"update": "appeal_needs_response", "close": "lost"}[step]
        scene.simulator.post(f"disputes/{dispute}/{step}", {"status": last})
    assert findings(rows) == [("dispute_not_recorded", "REPAIRED"), ("dispute_status_differs", "REPAIRED")]


def test_lost_events_are_repaired_by_applying_snapshots(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    slow = scene.charge(payment_method="pm_card_processing")
    canceled = scene.charge(capture_method="manual")
    refunded = scene.charge()
    disputed = scene.charge(payment_method="pm_card_createDispute")
    scene.simulator.post(f"payment_intents/{intent_of(rows, canceled)}/cancel")
    scene.simulator.post(f"payment_intents/{intent_of(rows, refunded)}/refund", {"amount": 1200})
    scene.simulator.advance(60)

    run = reconciled()

    payments = {row["payment_id"]: row for row in rows("SELECT * FROM payment")}
    assert payments[str(slow)]["status"] == "SUCCEEDED"
    assert payments[str(canceled)]["status"] == "CANCELED"
    assert payments[str(refunded)]["amount_refunded"] == 1200
    assert payments[str(disputed)]["is_disputed"]
    assert all(row["fee"] is not None for row in payments.values() if row["status"] == "SUCCEEDED")
    assert findings(rows) == [
        ("dispute_not_recorded", "REPAIRED"),
        ("payment_status_differs", "REPAIRED"),
        ("payment_status_differs", "REPAIRED"),
        ("refund_not_ours", "REPAIRED"),
    ]
    assert (run.repaired, run.left_open) == (4, 0)
    told = [row["type"] for row in rows("SELECT type FROM outbox")]
    assert {"PaymentCanceled", "RefundProcessed", "DisputeOpened"} <= set(told)
    causes = {row["cause"] for row in rows("SELECT cause FROM payment_history WHERE actor = 'test'")}
    assert {"reconciliation", "adopted: reconciliation"} <= causes


def test_m5_running_it_twice_changes_nothing(scene: Scene, rows: Rows, reconciled: Reconcile) -> None:
    payment_id = scene.charge(payment_method="pm_card_processing")
    refunded = scene.charge()
    scene.simulator.post(f"payment_intents/{intent_of(rows, refunded)}/refund", {"amount": 1200})
    scene.simulator.post(
        "payment_intents",
        {
            "amount": 5000,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "metadata": {"payment_id": str(payment_id)},
        },
    )
    scene.simulator.advance(60)
    reconciled()
    before = everything(rows)
    reconciled()
    assert everything(rows) == before
    assert [row["status"] for row in rows("SELECT status FROM reconciliation_run")] == ["FINISHED"] * 2
    assert rows("SELECT 1 FROM reconciliation_match") == []


def test_a_second_payment_intent_for_a_payment_is_left_for_a_person(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge()
    second = scene.simulator.post(
        "payment_intents",
        {
            "amount": 5000,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "metadata": scene.metadata_of(payment_id),
        },
    )
    assert reconciled().left_open == 1
    finding = rows.one("SELECT * FROM reconciliation_finding")
    assert finding["kind"] == "second_payment_intent"
    assert (finding["object_id"], finding["payment_id"]) == (second["id"], str(payment_id))
    assert finding["detail"]["ours"] == intent_of(rows, payment_id)
    assert rows.one("SELECT amount_captured FROM payment")["amount_captured"] == 5000


def test_a_payment_that_only_stripe_knows_is_found_and_invented_by_nobody(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    lost = str(uuid4())
    made = {"amount": 900, "currency": "eur", "payment_method": "pm_card_visa"}
    scene.simulator.post("payment_intents", {**made, "metadata": {"payment_id": lost}})
    scene.simulator.post("payment_intents", {**made, "metadata": {"payment_id": "another app's 7"}})
    scene.simulator.post("payment_intents", made)
    run = reconciled()
    assert (run.payments, run.left_open) == (1, 1)
    assert findings(rows) == [("unverified_metadata", "OPEN")]
    assert rows.one("SELECT payment_id FROM reconciliation_finding")["payment_id"] == lost
    assert rows("SELECT 1 FROM payment") == []


def test_another_apps_money_is_no_payment_of_ours_that_has_no_answer_yet(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge_unanswered(when="after")
    foreign = {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"}
    for metadata in ({}, {"payment_id": "None"}):
        scene.simulator.post("payment_intents", {**foreign, "metadata": metadata})
    own = next(
        each["id"]
        for each in scene.simulator.ledger()["payment_intents"]
        if each["metadata"].get("payment_id") == str(payment_id)
    )
    reconciled()
    assert intent_of(rows, payment_id) == own
    assert findings(rows) == [("payment_status_differs", "REPAIRED")]


def test_objects_that_stripe_does_not_show_are_found(scene: Scene, rows: Rows, reconciled: Reconcile) -> None:
    scene.refund(scene.charge(), amount=700)
    scene.simulator.post("reset")
    run = reconciled()
    assert run.left_open == 2
    assert findings(rows) == [("payment_missing_there", "OPEN"), ("refund_missing_there", "OPEN")]
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("amount = 6000", "payment_amount_differs"),
        ("amount_captured = 4000", "payment_amount_differs"),
        ("currency = 'USD'", "payment_currency_differs"),
        ("status = 'CANCELED', amount_captured = 0", "payment_status_differs"),
    ],
)
def test_what_no_step_forward_explains_is_left_open_and_closed_when_it_has_gone(
    scene: Scene, rows: Rows, reconciled: Reconcile, change: str, kind: str
) -> None:
    scene.charge()
    rows(f"UPDATE payment SET {change}")  # noqa: S608 - our own words
    reconciled()
    assert findings(rows) == [(kind, "OPEN")]
    rows("UPDATE payment SET amount = 5000, currency = 'EUR', status = 'SUCCEEDED', amount_captured = 5000")
    run = reconciled()
    assert run.closed == 1
    assert findings(rows) == [(kind, "CLOSED")]


def test_a_refund_that_was_believed_never_made_is_left_open(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    scene.refund(scene.charge(), amount=700)
    rows(
        "UPDATE refund SET status = 'FAILED', failure_reason = 'never_executed_by_stripe', stripe_refund_id = NULL"
    )
    rows("UPDATE payment SET amount_refunded = 0, amount_refund_reserved = 0")
    reconciled()
    assert findings(rows) == [("refund_exists_after_all", "OPEN")]
    reconciled()
    assert findings(rows) == [("refund_exists_after_all", "OPEN")]


def test_a_refund_given_twice_under_one_id_is_counted_and_found(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge()
    refund_id = str(uuid4())
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    scene.simulator.post(
        f"payment_intents/{intent_of(rows, payment_id)}/refund",
        {"amount": 700, "metadata": {"refund_id": refund_id}},
    )
    scene.simulator.advance(10)  # the fee is known from now on: a run that finds nothing new writes nothing
    reconciled()
    assert findings(rows) == [("refund_not_ours", "REPAIRED"), ("second_refund", "OPEN")]
    assert rows.one("SELECT amount_refunded FROM payment")["amount_refunded"] == 1400
    before = everything(rows)
    reconciled()
    assert everything(rows) == before


def test_a_refund_that_failed_days_later_gives_its_amount_back(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge(payment_method="pm_card_refundFail")
    scene.refund(payment_id, amount=700)
    scene.simulator.advance(3 * 86_400)
    reconciled()
    assert findings(rows) == [("refund_status_differs", "REPAIRED")]
    row = rows.one("SELECT amount_refunded, amount_refund_reserved FROM payment")
    assert row == {"amount_refunded": 0, "amount_refund_reserved": 0}


def test_a_refund_of_a_payment_whose_success_was_never_recorded_is_adopted(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(60)
    intent = intent_of(rows, payment_id)
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 100})
    reconciled()
    row = rows.one("SELECT status, amount_refunded FROM payment")
    assert row == {"status": "SUCCEEDED", "amount_refunded": 100}


def test_what_is_unknown_for_too_long_is_found_and_closed_when_it_is_known(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    scene.charge_unanswered(when="before")
    reconciled()
    assert findings(rows) == []
    scene.clock.advance(2 * 3600)
    reconciled()
    assert findings(rows) == [("unknown_too_long", "OPEN")]
    rows(
        "UPDATE payment_attempt SET status = 'EXECUTED', unknown_reason = NULL, finished_at = now(),"
        " next_action_at = NULL"
    )
    reconciled()
    assert ("unknown_too_long", "CLOSED") in findings(rows)


def test_a_payment_that_is_being_worked_on_is_left_alone(scene: Scene, rows: Rows, context: Context) -> None:
    scene.charge_unanswered()
    before = everything(rows)
    done = reconcile(context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.payments == 1
    assert everything(rows) == before
