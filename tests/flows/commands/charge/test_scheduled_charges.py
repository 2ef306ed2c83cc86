"""A charge of later is a row that is due then: made once, and canceled before without asking anybody."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.contracts.requests import ChargeRequest, parse
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.flows.result import CommandResult
from payment_worker.store.queries.backlog import beyond_deadline
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DAY = 86_400


def _later(scene: Scene, days: float) -> str:
    return (scene.clock() + timedelta(days=days)).isoformat()


def _payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _sweep(scene: Scene) -> int:
    due = claim_due(scene.context, ALL_DUE).attempts
    for each in [*due, *due]:
        run_claimed(scene.context, each.attempt_id, lease_token=each.lease_token)
    return len(due)


def test_it_is_charged_once_when_it_is_due(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(not_before=_later(scene, 30))
    assert (_payment(rows, payment_id)["status"], scene.simulator.journal()) == ("REQUESTED", [])
    scene.advance(30 * DAY - 60)
    assert _sweep(scene) == 0
    scene.advance(120)
    assert _sweep(scene) == 1
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert len(scene.simulator.journal()) == 1


def test_the_same_request_again_waits_as_well(scene: Scene) -> None:
    asked: dict[str, object] = {
        "payment_id": str(uuid4()),
        "order_id": "7",
        "amount": 5000,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "not_before": _later(scene, 1),
    }
    for _ in range(2):
        answer = charge(scene.context, parse(ChargeRequest, asked))
        assert isinstance(answer, CommandResult)
        assert (answer.status, answer.due_again_at is not None) == ("REQUESTED", True)
    assert scene.simulator.journal() == []
    scene.advance(DAY + 60)
    answer = charge(scene.context, parse(ChargeRequest, asked))
    assert isinstance(answer, CommandResult)
    assert answer.status == "SUCCEEDED"


def test_a_time_that_is_over_is_now(scene: Scene, rows: Rows) -> None:
    assert _payment(rows, scene.charge(not_before=_later(scene, -1)))["status"] == "SUCCEEDED"


@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_when_it_is_due_charges_nobody_twice(scene: Scene, rows: Rows, when: str) -> None:
    payment_id = scene.charge(not_before=_later(scene, 3))
    scene.advance(3 * DAY + 60)
    scene.simulator.fault("server_error", when=when, endpoint="payment_intents.create")
    assert _sweep(scene) == 1
    scene.resume()
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert sum(line["effects"] for line in scene.simulator.ledger()["payment_intents"]) == 1


def test_it_is_canceled_before_without_asking_stripe(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(not_before=_later(scene, 3))
    assert scene.cancel(payment_id, reason="order withdrawn").status == "CANCELED"
    assert scene.cancel(payment_id, reason="order withdrawn").status == "CANCELED"
    scene.advance(4 * DAY)
    assert (_sweep(scene), scene.simulator.journal()) == (0, [])
    assert _payment(rows, payment_id)["cancellation_reason"] == "order withdrawn"
    told = Counter(row["type"] for row in rows("SELECT type FROM outbox"))
    assert told == {"PaymentRequested": 1, "PaymentCanceled": 1}


def test_a_cancellation_beats_a_sweep_that_has_only_handed_it_out(scene: Scene) -> None:
    payment_id = scene.charge(not_before=_later(scene, 1))
    scene.advance(DAY + 60)
    (due,) = claim_due(scene.context, ALL_DUE).attempts
    assert scene.cancel(payment_id).status == "CANCELED"
    assert run_claimed(scene.context, due.attempt_id, lease_token=due.lease_token) is None
    assert scene.simulator.journal() == []


def test_while_it_waits_nobody_is_alarmed(scene: Scene, rows: Rows) -> None:
    scene.charge(not_before=_later(scene, 30))
    scene.advance(2 * DAY)
    now = scene.clock()
    assert reconcile(scene.context, since=now - timedelta(days=3), until=now, on_page=lambda _: True)
    assert rows("SELECT 1 FROM reconciliation_finding") == []
    with scene.context.database.begin() as connection:
        assert sum(each.rows.count for each in beyond_deadline(connection, now=now)) == 0
    scene.advance(29 * DAY)
    with scene.context.database.begin() as connection:
        assert sum(each.rows.count for each in beyond_deadline(connection, now=scene.clock())) == 1


def test_why_a_refund_is_pending_is_kept_while_it_is(scene: Scene, rows: Rows) -> None:
    scene.refund(scene.charge(payment_method="pm_card_pendingRefund"))
    assert rows.one("SELECT status, pending_reason FROM refund") == {
        "status": "PENDING",
        "pending_reason": "processing",
    }
    scene.simulator.advance(60)
    scene.deliver(scene.events())
    assert rows.one("SELECT status, pending_reason FROM refund") == {
        "status": "PROCESSED",
        "pending_reason": None,
    }
