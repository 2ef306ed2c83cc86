"""Reconciliation, by hand too, takes no copy of our metadata for what a request of ours made: its key tells."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from payment_worker.flows.reconciliation.run import reconcile
from tests.flows.reconciliation.lost_rows import lose, lose_everything
from tests.flows.scene import Scene
from tests.harness.rows import Rows

PAID = {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"}
PAYMENT = "SELECT status, stripe_payment_intent_id AS id FROM payment"
REFUND = "SELECT status, stripe_refund_id AS id FROM refund WHERE refund_id = %s"

Reconcile = Callable[..., None]


@pytest.fixture(params=["scheduled", "by hand"])
def reconciled(request: pytest.FixtureRequest, scene: Scene) -> Reconcile:
    """Reconciles as beat has it done, or a person after a restore."""

    def run(**more: Any) -> None:  # noqa: ANN401 - reconcile's own arguments
        since = scene.context.clock() - timedelta(days=20) if request.param == "by hand" else None
        done = reconcile(scene.context, since=since, until=None, on_page=lambda _: True, **more)
        assert done is not None
        assert done.run.is_finished

    return run


@pytest.fixture
def by_hand(scene: Scene) -> Reconcile:
    """Reconciles the whole time, as after a restore."""

    def run(**more: Any) -> None:  # noqa: ANN401 - reconcile's own arguments
        since = scene.context.clock() - timedelta(days=20)
        assert reconcile(scene.context, since=since, until=None, on_page=lambda _: True, **more)

    return run


def lose_refunds(rows: Rows) -> None:
    lose(
        rows,
        "TRUNCATE payment_history",
        "DELETE FROM payment_attempt WHERE refund_id IS NOT NULL",
        "DELETE FROM outbox WHERE type LIKE 'Refund%%'",
        "DELETE FROM refund",
        "UPDATE payment SET amount_refunded = 0, amount_refund_reserved = 0",
    )


def copied(scene: Scene, metadata: dict[str, str]) -> str:
    return str(scene.simulator.post("payment_intents", {**PAID, "metadata": metadata})["id"])


def findings(rows: Rows) -> dict[str, str]:
    found = rows("SELECT object_id, kind FROM reconciliation_finding WHERE status = 'OPEN'")
    return {row["object_id"]: row["kind"] for row in found}


def told(rows: Rows) -> list[str]:
    return [row["type"] for row in rows("SELECT type FROM outbox ORDER BY position")]


def test_a_copy_is_not_taken_for_what_an_unanswered_attempt_made(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge_unanswered(when="before")
    copied(scene, scene.metadata_of(payment_id))
    reconciled()
    assert rows.one(PAYMENT) == {"status": "REQUESTED", "id": None}
    assert "PaymentSucceeded" not in told(rows)


def test_a_copy_of_a_refused_charge_does_not_bring_back_a_lost_payment_as_paid(
    scene: Scene, rows: Rows, by_hand: Reconcile
) -> None:
    payment_id = scene.charge(payment_method="pm_no_such_method")
    copy = copied(scene, scene.metadata_of(payment_id))
    lose_everything(rows)
    by_hand()
    assert rows(PAYMENT) == []
    assert told(rows) == []
    assert findings(rows) == {copy: "unverified_metadata"}
    by_hand(accepted={copy: "support has seen the money"})
    assert rows.one(PAYMENT) == {"status": "SUCCEEDED", "id": copy}


def refunded_by_a_copy(scene: Scene, rows: Rows) -> str:
    """A Refund by a stranger with the metadata of the last one that we asked for."""
    sent = rows.one(
        "SELECT parameters::json -> 'metadata' AS its FROM payment_attempt WHERE action = 'refund'"
        " ORDER BY attempt_id DESC LIMIT 1"
    )
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    body = {"amount": 700, "metadata": sent["its"]}
    return str(scene.simulator.post(f"payment_intents/{intent}/refund", body)["id"])


@pytest.mark.parametrize("how", ["refund.created", "charge.refunded", "reconciliation"])
def test_a_copy_of_a_refused_refund_is_not_that_refund(
    scene: Scene, rows: Rows, by_hand: Reconcile, how: str
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.deliver(scene.events())
    scene.simulator.fault("bad_request", endpoint="refunds.create")
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    assert rows.one(REFUND, refund_id) == {"status": "FAILED", "id": None}
    copy = refunded_by_a_copy(scene, rows)
    if how == "reconciliation":
        by_hand()
    else:
        scene.deliver(scene.events(types=[how]))
    assert rows.one(REFUND, refund_id) == {"status": "FAILED", "id": None}
    assert copy in findings(rows)


def test_a_copy_is_not_taken_for_the_refund_that_an_unanswered_attempt_made(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.simulator.fault("server_error", when="before", endpoint="refunds.create")
    asking = scene.simulator.fault("unavailable", endpoint="refunds.list", times=None)
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    scene.simulator.delete(f"faults/{asking}")
    refunded_by_a_copy(scene, rows)
    reconciled()
    assert rows.one(REFUND, refund_id) == {"status": "REQUESTED", "id": None}
    assert "RefundProcessed" not in told(rows)


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_refunds_with_one_mac_the_lost_one_is_what_our_key_made(
    scene: Scene, rows: Rows, by_hand: Reconcile, *, is_first: bool
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    ours = rows.one(REFUND, refund_id)["id"]
    copy = refunded_by_a_copy(scene, rows)
    lose_refunds(rows)
    if is_first:
        scene.deliver([each for each in scene.events(types=["refund.created"]) if each.object_id == copy])
    by_hand()
    assert rows.one(REFUND, refund_id) == {"status": "PROCESSED", "id": ours}
    assert rows.one("SELECT amount_refunded AS sum FROM payment")["sum"] == 1400
    assert copy in findings(rows)
