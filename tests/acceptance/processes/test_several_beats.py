"""Several beats at once do no harm: what each of them enqueues is found done, or being done, by the others' tasks."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Scene
from tests.harness.books import STREAM

EVERY_SECOND = {
    "PAYMENT_WORKER_POLL_EVERY": "1",
    "PAYMENT_WORKER_RECONCILE_EVERY": "1",
}
SWEEPS = ("resume_stalled", "publish_events", "poll_stripe_events", "reconcile")


def test_three_of_them_and_two_workers_double_nothing(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(**EVERY_SECOND)
    scene.ready(scene.worker(), scene.worker(), scene.beat(), scene.beat(), scene.beat())
    payment_ids = [scene.charge() for _ in range(12)]
    for payment_id in payment_ids[::3]:
        # Known to nobody but the sweep, once the lease has ended.
        scene.fault("reset", when="after", charge=payment_id)
    for payment_id in payment_ids:
        scene.payment(payment_id, "SUCCEEDED")
    refunds = [scene.refund(payment_id, amount=100) for payment_id in payment_ids]
    for refund_id in refunds:
        scene.refund_row(refund_id, "PROCESSED")
    wait_until(
        lambda: all(scene.runs()[f"payment_worker.{each}"] >= 3 for each in SWEEPS), seconds=40, what="sweeps"
    )

    scene.books.must_agree()
    assert scene.rows("SELECT 1 FROM reconciliation_finding") == []
    scene.rows.wait_for("SELECT 1 WHERE NOT EXISTS (SELECT FROM stripe_event WHERE status = 'RECEIVED')")
    told: Any = scene.redis.xrange(STREAM)
    assert max(Counter(entry["event"] for _, entry in told).values()) == 1
