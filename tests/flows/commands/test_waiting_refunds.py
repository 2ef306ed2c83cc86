"""A refund that waits for its payment costs a sweep nothing until the payment is decided, and then goes on."""

from dataclasses import replace
from uuid import UUID, uuid4

from payment_worker.flows.commands.refund import continue_refund
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.sweep import claim_due
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

LONGER_THAN_A_LEASE = 61


def _waiting(scene: Scene) -> tuple[UUID, UUID]:
    """A payment that is being processed, and a refund that waits for it."""
    payment_id = scene.charge(payment_method="pm_card_processing")
    refund_id = uuid4()
    scene.refund(payment_id, refund_id=str(refund_id), amount=100)
    return payment_id, refund_id


def _succeed(scene: Scene) -> None:
    scene.simulator.advance(60)
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))


def test_it_is_handed_out_when_its_payment_is_decided_and_not_before(
    scene: Scene, context: Context, rows: Rows
) -> None:
    _, refund_id = _waiting(scene)
    for _ in range(3):
        scene.clock.advance(LONGER_THAN_A_LEASE)
        assert claim_due(context, ALL_DUE).waiting_refunds == []
    _succeed(scene)
    assert claim_due(context, ALL_DUE).waiting_refunds == [refund_id]
    continue_refund(context, refund_id)
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"


def test_one_that_may_go_on_waits_for_none_that_may_not(scene: Scene, context: Context, rows: Rows) -> None:
    for _ in range(3):
        _waiting(scene)
    payment_id, refund_id = _waiting(scene)
    rows(
        "UPDATE payment SET status = 'FAILED', failure_reason = 'CARD_DECLINED' WHERE payment_id = %s",
        str(payment_id),
    )
    scene.clock.advance(LONGER_THAN_A_LEASE)
    assert claim_due(context, replace(ALL_DUE, waiting_refunds=1)).waiting_refunds == [refund_id]


def test_none_of_them_is_overdue_meanwhile(scene: Scene, context: Context, rows: Rows) -> None:
    _waiting(scene)
    scene.clock.advance(LONGER_THAN_A_LEASE)
    claim_due(context, ALL_DUE)
    assert rows.one("SELECT waits_until FROM refund")["waits_until"] > scene.clock()


def test_one_that_was_rejected_meanwhile_is_not_decided_again(scene: Scene, context: Context) -> None:
    payment_id, refund_id = _waiting(scene)
    assert scene.refund(payment_id, refund_id=str(uuid4()), amount=1_000_000).status == "FAILED"
    _succeed(scene)
    assert claim_due(context, ALL_DUE).waiting_refunds == [refund_id]
