"""What is past its time is let go in batches, never what is still needed, and what comes late still lands."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg2
import pytest

from payment_worker.contracts.requests import ChargeRequest, parse
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.maintenance.retention import PruneBudget, Retention, prune
from payment_worker.flows.result import Conflict
from payment_worker.store.connection.advisory_lock import PRUNE_LOCK, alone
from payment_worker.store.queries import timeline
from tests.flows.ledger.test_import import imported
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DAY = 86_400
YEAR = 365 * DAY
RETENTION = Retention(
    money=timedelta(days=7 * 365),
    events=timedelta(days=90),
    outbox=timedelta(days=30),
    reports=timedelta(days=365),
)


def _prune(scene: Scene) -> Mapping[str, int]:
    """What beat does every day, and the import of the balance every few minutes."""
    scene.simulator.advance(2)
    imported(scene)
    pruned = prune(scene.context, RETENTION)
    assert pruned is not None
    return pruned


def _count(rows: Rows, table: str, where: str = "true") -> int:
    return int(rows.one(f"SELECT count(*) AS n FROM {table} WHERE {where}")["n"])  # noqa: S608 - our own words


def _publish_all(rows: Rows, scene: Scene) -> None:
    rows("UPDATE outbox SET published_at = %s WHERE published_at IS NULL", scene.clock())


def test_nothing_is_let_go_before_its_time(scene: Scene, rows: Rows) -> None:
    scene.refund(scene.charge(), amount=100)
    scene.deliver(scene.events())
    _publish_all(rows, scene)
    scene.clock.advance(29 * DAY)
    assert not any(_prune(scene).values())


def test_events_and_messages_go_after_days_and_the_money_stays(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    scene.deliver(scene.events())
    _publish_all(rows, scene)
    scene.clock.advance(91 * DAY)
    pruned = _prune(scene)
    assert (pruned["events"] > 0, pruned["messages"], pruned["payments"]) == (True, 2, 0)
    assert (_count(rows, "stripe_event"), _count(rows, "outbox")) == (0, 0)
    assert _count(rows, "payment_history", f"payment_id = '{payment_id}'") == 2


def test_what_is_still_to_be_done_or_published_stays_however_old(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.deliver(scene.events())
    rows("UPDATE stripe_event SET status = 'PARKED' WHERE type = 'payment_intent.succeeded'")
    scene.clock.advance(8 * YEAR)
    _prune(scene)
    assert (_count(rows, "stripe_event"), _count(rows, "stripe_event", "status = 'PARKED'")) == (1, 1)
    assert (_count(rows, "outbox"), _count(rows, "payment_history_archive")) == (2, 0)


def test_after_seven_quiet_years_what_explains_a_payment_is_archived(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(description="Two books", metadata={"cart": "7"})
    scene.refund(payment_id, amount=100, note="one too many")
    _publish_all(rows, scene)
    told = rows("SELECT * FROM payment_history ORDER BY history_id")
    asked = rows("SELECT * FROM payment_attempt ORDER BY attempt_id")
    scene.clock.advance(8 * YEAR)
    assert _prune(scene)["payments"] == 1
    assert rows("SELECT * FROM payment_history_archive ORDER BY history_id") == told
    assert rows("SELECT * FROM payment_attempt_archive ORDER BY attempt_id") == asked
    assert (_count(rows, "payment_history"), _count(rows, "payment_attempt")) == (0, 0)
    payment = rows.one("SELECT * FROM payment")
    assert (payment["description"], payment["metadata"]) == (None, {})
    assert (payment["status"], payment["amount_captured"], payment["amount_refunded"]) == (
        "SUCCEEDED",
        5000,
        100,
    )
    assert rows.one("SELECT note FROM refund")["note"] is None
    with scene.context.database.begin() as connection:
        assert len(timeline.history(connection, payment_id)) == len(told)
        assert len(timeline.attempts(connection, payment_id)) == len(asked)
    assert not any(_prune(scene).values())


STILL_NEEDED = {
    "an open finding": "INSERT INTO reconciliation_finding (kind, object_id, payment_id, status, found_at)"
    " SELECT 'payment_status_differs', 'pi_1', payment_id, 'OPEN', now() FROM payment",
    "an untold message": "UPDATE outbox SET published_at = NULL",
    "another try to come": "UPDATE payment_attempt SET retry_at = now() WHERE refund_id IS NULL",
    "a refund on its way": "UPDATE refund SET status = 'PENDING'",
    "an open dispute": "INSERT INTO dispute (stripe_dispute_id, payment_id, status, amount, currency, created_at,"
    " updated_at) SELECT 'dp_1', payment_id, 'UNDER_REVIEW', 1, 'EUR', now(), now() FROM payment",
    "an appeal of a lost one": "INSERT INTO dispute (stripe_dispute_id, payment_id, status, amount, currency,"
    " created_at, updated_at)"
    " SELECT 'dp_1', payment_id, 'APPEAL_UNDER_REVIEW', 1, 'EUR', now(), now() FROM payment",
    "money that is not cleared": "INSERT INTO ledger_uncleared (stripe_account, object_id, currency, ledger_account,"
    " ours, theirs, since) SELECT '', stripe_payment_intent_id, 'EUR', 'customers', 1, 0, now() FROM payment",
    "a refund that is not cleared": "INSERT INTO ledger_uncleared (stripe_account, object_id, currency, ledger_account,"
    " ours, theirs, since) SELECT '', stripe_refund_id, 'EUR', 'customers', 0, 1, now() FROM refund",
    "a dispute that is not cleared": "INSERT INTO dispute (stripe_dispute_id, payment_id, status, amount, currency,"
    " created_at, updated_at) SELECT 'dp_1', payment_id, 'LOST', 1, 'EUR', now(), now() FROM payment;"
    "INSERT INTO ledger_uncleared (stripe_account, object_id, currency, ledger_account, ours, theirs, since)"
    " VALUES ('', 'dp_1', 'EUR', 'customers', 0, 1, now())",
    "late news": "UPDATE payment SET updated_at = now() + interval '7 years'",
}


@pytest.mark.parametrize("still_needed", STILL_NEEDED)
def test_a_payment_that_somebody_still_needs_is_not_archived(
    scene: Scene, rows: Rows, still_needed: str
) -> None:
    scene.refund(scene.charge(), amount=100)
    _publish_all(rows, scene)
    rows(STILL_NEEDED[still_needed])
    scene.clock.advance(8 * YEAR)
    assert _prune(scene)["payments"] == 0
    assert _count(rows, "payment_history_archive") == 0


def test_a_payment_that_the_ledger_does_not_know_yet_is_not_archived(scene: Scene, rows: Rows) -> None:
    scene.charge()
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    assert (prune(scene.context, RETENTION) or {})["payments"] == 0
    assert _prune(scene)["payments"] == 1


def test_an_authorisation_without_an_end_is_not_archived(scene: Scene, rows: Rows) -> None:
    scene.charge(capture_method="manual")
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    assert _prune(scene)["payments"] == 0


def test_events_that_come_after_it_are_still_applied(scene: Scene, rows: Rows) -> None:
    failing, refunded = scene.charge(payment_method="pm_card_refundFail"), scene.charge()
    scene.deliver(scene.events())
    scene.refund(failing, amount=100)
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    assert _prune(scene)["payments"] == 2
    query = "SELECT * FROM payment WHERE payment_id = %s"
    intent = rows.one(query, str(refunded))["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 200})
    scene.simulator.advance(60)
    scene.deliver(scene.events())
    scene.process_waiting()
    assert rows.one(query, str(failing))["amount_refunded"] == 0
    assert rows.one(query, str(refunded))["amount_refunded"] == 200
    statuses = rows("SELECT amount, status FROM refund ORDER BY amount")
    assert [(row["amount"], row["status"]) for row in statuses] == [(100, "FAILED"), (200, "PROCESSED")]


def test_its_id_is_still_the_key_of_its_request(scene: Scene, rows: Rows) -> None:
    asked = {
        "payment_id": str(uuid4()),
        "order_id": str(uuid4()),
        "amount": 5000,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "description": "Two books",
    }
    scene.charge(**asked)
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    assert _prune(scene)["payments"] == 1
    scene.charge(**asked)
    other = charge(scene.context, parse(ChargeRequest, {**asked, "amount": 5001}))
    assert other == Conflict("payment_id")
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert scene.refund(UUID(str(asked["payment_id"]))).status == "PROCESSED"


def test_a_declined_payment_can_still_be_tried_again(scene: Scene, rows: Rows) -> None:
    declined = scene.charge(payment_method="pm_card_visa_chargeDeclined")
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    assert _prune(scene)["payments"] == 1
    assert scene.retry(declined).reason == "generic_decline"
    assert scene.retry(declined, payment_method="pm_card_visa").status == "SUCCEEDED"


def test_batches_are_small_and_all_of_it_is_done(scene: Scene, rows: Rows) -> None:
    needed = scene.charge(capture_method="manual")
    payments = [scene.charge() for _ in range(5)]
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    scene.simulator.advance(2)
    imported(scene)
    pruned = prune(scene.context, RETENTION, PruneBudget(batch=3))
    assert pruned is not None
    assert pruned["payments"] == len(payments)
    left = rows("SELECT DISTINCT payment_id::text AS id FROM payment_history")
    assert [row["id"] for row in left] == [str(needed)]


def test_it_ends_in_time_and_goes_on_the_next_time(scene: Scene, rows: Rows) -> None:
    scene.charge()
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    assert not any((prune(scene.context, RETENTION, PruneBudget(has_time=lambda: False)) or {}).values())
    assert _prune(scene)["payments"] == 1


def test_two_do_not_prune_at_once(scene: Scene) -> None:
    with alone(scene.context.database, PRUNE_LOCK) as is_ours:
        assert is_ours
        assert prune(scene.context, RETENTION) is None


def test_what_a_lost_stream_needs_again_is_kept(scene: Scene, rows: Rows) -> None:
    scene.charge()
    _publish_all(rows, scene)
    context = replace(
        scene.context, policy=replace(scene.context.policy, republish_window=timedelta(days=60))
    )
    scene.clock.advance(45 * DAY)
    assert (prune(context, RETENTION) or {})["messages"] == 0
    scene.clock.advance(30 * DAY)
    assert (prune(context, RETENTION) or {})["messages"] == 2


def test_reports_go_once_nothing_of_them_is_open(scene: Scene, rows: Rows) -> None:
    rows(
        "INSERT INTO reconciliation_run (since, until, is_scheduled, status, step, started_at, updated_at, finished_at)"
        " SELECT now() - interval '1 day', now(), true, 'FINISHED', 'done', now(), now(), now()"
        " FROM generate_series(1, 2)"
    )
    rows(
        "INSERT INTO reconciliation_finding (kind, object_id, status, run_id, found_at, resolved_at)"
        " SELECT 'k', run_id::text, CASE run_id WHEN 1 THEN 'OPEN' ELSE 'CLOSED' END, run_id, now(),"
        " CASE run_id WHEN 1 THEN NULL ELSE now() END FROM reconciliation_run"
    )
    assert scene.retry(scene.charge(payment_method="pm_card_visa_chargeDeclinedStolenCard")).reason
    scene.clock.advance(2 * YEAR)
    pruned = _prune(scene)
    assert (pruned["rejected"], pruned["findings"], pruned["runs"]) == (1, 1, 1)
    assert [row["run_id"] for row in rows("SELECT run_id FROM reconciliation_run")] == [1]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM payment_history",
        "UPDATE payment_history_archive SET actor = 'me'",
        "DELETE FROM payment_history_archive",
        "TRUNCATE payment_history_archive",
    ],
)
def test_nobody_takes_history_away(scene: Scene, rows: Rows, change: str) -> None:
    scene.charge()
    _publish_all(rows, scene)
    scene.clock.advance(8 * YEAR)
    _prune(scene)
    scene.charge()
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        rows(change)


def test_history_that_was_changed_on_its_way_to_the_archive_is_not_let_go(scene: Scene, rows: Rows) -> None:
    scene.charge()
    rows(
        "INSERT INTO payment_history_archive SELECT history_id, payment_id, refund_id, stripe_dispute_id,"
        " from_status, to_status, cause, 'somebody else', detail, recorded_at FROM payment_history"
    )
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        rows("DELETE FROM payment_history")
