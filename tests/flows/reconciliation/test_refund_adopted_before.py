"""A Refund that was adopted as made elsewhere, and turns out to be ours, is counted once and leaves nothing stuck."""

from uuid import uuid4

import pytest

from tests.flows.reconciliation.lost_rows import lose
from tests.flows.scene import Scene
from tests.harness.rows import Rows

CLEARED = {"payment_id": "", "refund_id": "", "payment_worker_mac": ""}
OPEN = "SELECT status FROM payment_attempt WHERE finished_at IS NULL"


@pytest.mark.parametrize("when", ["answered", "looked up"])
def test_a_refund_that_was_lost_and_adopted_without_its_metadata_is_a_finding_once_it_is_asked_for_again(
    scene: Scene, rows: Rows, when: str
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    (refund,) = scene.simulator.ledger()["payment_intents"][0]["refunds"]
    scene.edit(f"refunds/{refund['id']}", CLEARED)
    lose(
        rows,
        "TRUNCATE payment_history, refund, payment_attempt, outbox CASCADE",
        "UPDATE payment SET amount_refunded = 0, amount_refund_reserved = 0",
    )
    scene.deliver(scene.events(types=["charge.refunded"]))
    assert rows.one("SELECT amount_refunded AS sum FROM payment")["sum"] == 700

    if when == "looked up":
        scene.simulator.fault("reset", when="before", endpoint="refunds.create", times=5)
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    scene.sweep(rounds=6)

    assert rows.one("SELECT amount_refunded AS sum FROM payment")["sum"] == 700
    assert len(scene.simulator.ledger()["payment_intents"][0]["refunds"]) == 1
    assert rows("SELECT kind FROM reconciliation_finding WHERE object_id = %s", refund["id"])
    told = rows("SELECT type FROM outbox WHERE type IN ('RefundProcessed', 'RefundFailed')")
    assert [row["type"] for row in told] == ["RefundProcessed"]
    assert rows(OPEN) == [{"status": "UNKNOWN"}]
