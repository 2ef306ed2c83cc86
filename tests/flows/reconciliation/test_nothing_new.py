"""What finds nothing new writes nothing: a second reconciliation, or the same news again, leaves each row as it was."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payment_worker.flows.reconciliation.run import reconcile
from tests.flows.scene import Scene
from tests.harness.rows import Rows

RECORDS = ("payment", "refund", "dispute", "payment_attempt", "payment_history", "outbox")
TABLES = (*RECORDS, "stripe_event", "reconciliation_finding", "event_poll", "rejected_request")
AS_WRITTEN = "SELECT md5(xmin || ' ' || t::text) AS row FROM {} t ORDER BY 1"


def _as_written(rows: Rows, tables: tuple[str, ...]) -> dict[str, list[dict[str, object]]]:
    """What every row says, and the transaction that wrote it."""
    return {table: rows(AS_WRITTEN.format(table)) for table in tables}


def _intent(rows: Rows, payment_id: object) -> str:
    named = "SELECT stripe_payment_intent_id AS id FROM payment WHERE payment_id = %s"
    return str(rows.one(named, str(payment_id))["id"])


def _much(scene: Scene, rows: Rows) -> None:
    """Payments in several states, with refunds of ours and adopted ones, a dispute, and differences of every sort."""
    adopted, own, second = scene.charge(), scene.charge(), scene.charge()
    scene.charge(payment_method="pm_card_chargeDeclined")
    scene.charge(capture_method="manual")
    scene.charge(payment_method="pm_card_createDispute")
    other, more = scene.charge(), scene.charge(capture_method="manual")
    scene.simulator.advance(60)
    for _ in range(2):
        scene.simulator.post(f"payment_intents/{_intent(rows, adopted)}/refund", {"amount": 100})
    refund = scene.refund(own, amount=700)
    scene.simulator.post(
        f"payment_intents/{_intent(rows, own)}/refund",
        {"amount": 700, "metadata": {"refund_id": refund.identity}},
    )
    rows("UPDATE payment SET currency = 'USD' WHERE payment_id = %s", str(second))
    rows(
        "UPDATE payment SET status = 'CANCELED', amount_captured = 0 WHERE payment_id = %s",
        str(other),
    )
    fields = {"status": "succeeded", "amount_received": 6000, "amount": 6000, "amount_capturable": 0}
    scene.simulator.post(f"objects/{_intent(rows, more)}", {"fields": fields})


@pytest.mark.parametrize("period", [None, timedelta(days=2)])
def test_a_second_run_over_the_same_period_writes_nothing_but_itself(
    scene: Scene, rows: Rows, period: timedelta | None
) -> None:
    _much(scene, rows)
    since = scene.clock() - period if period else None
    written = []
    for _ in range(3):
        done = reconcile(scene.context, since=since, until=None, on_page=lambda _: True)
        assert done is not None
        assert done.run.is_finished
        written.append(_as_written(rows, TABLES))
    assert written[0]["reconciliation_finding"]
    assert written[1] == written[0]
    assert written[2] == written[0]


def test_the_same_snapshot_again_writes_no_row(scene: Scene, rows: Rows) -> None:
    _much(scene, rows)
    events = scene.events()
    scene.deliver(events)
    scene.process_waiting()
    before = _as_written(rows, (*RECORDS, "reconciliation_finding"))
    scene.deliver(replace(event, event_id=f"{event.event_id}_again") for event in events)
    scene.process_waiting()
    assert _as_written(rows, (*RECORDS, "reconciliation_finding")) == before
