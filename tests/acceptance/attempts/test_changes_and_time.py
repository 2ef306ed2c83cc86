"""What is asked about a payment outlives the worker that was doing it, and what runs out at Stripe has its own end."""

from collections.abc import Callable

import pytest

from tests.acceptance.commands.changes import CHANGES
from tests.acceptance.scene import Scene

DAY = 86_400


def test_an_authorisation_that_runs_out_ends_with_its_reason(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene()
    scene.ready(scene.worker(), scene.beat())
    scene.hand_on_webhooks()
    held = CHANGES["capture"].begin(scene)
    scene.simulator.advance(8 * DAY)
    assert scene.payment(held, "CANCELED")["cancellation_reason"] == "expired"
    sent = CHANGES["capture"].send(scene, held)
    scene.witness.wait_for_end([sent])
    kept = scene.rows.one("SELECT errors FROM rejected_request WHERE request_id = %s", sent)
    assert kept["errors"][0]["code"] == "authorization_expired"
    scene.books.must_agree()


# A call that lasts longer than it takes to kill its caller, and ends before the caller's lease does.
PATIENT = {
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "2.5",
    "PAYMENT_WORKER_LEASE": "4",
    "PAYMENT_WORKER_ABSENCE_DELAY": "4",
}


@pytest.mark.parametrize(
    "redis_forgets",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["redelivered", "forgotten by Redis"],
)
def test_a_worker_that_dies_amid_it_loses_and_doubles_nothing(
    new_scene: Callable[..., Scene], *, redis_forgets: bool
) -> None:
    scene = new_scene(**PATIENT, PAYMENT_WORKER_VISIBILITY_TIMEOUT="6")
    worker = scene.worker(pool="prefork", concurrency=10)
    scene.ready(worker)
    begun = [
        (change, change.begin(scene), when) for change in CHANGES.values() for when in ("before", "after")
    ]
    for change, payment_id, when in begun:
        metadata = {"payment_id": payment_id}
        scene.simulator.fault("latency", when=when, seconds=2, endpoint=change.endpoint, metadata=metadata)
        change.send(scene, payment_id)
    for change, payment_id, _ in begun:
        change.wait_until_asked(scene, payment_id)
    worker.kill()
    if redis_forgets:
        forgotten = [key for key in scene.redis.scan_iter() if key != "payment_worker.events"]
        scene.redis.delete(*forgotten)
    # On a slow machine some had ended before the last was asked: what counts is that it died amid others.
    assert scene.rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL")
    scene.ready(scene.worker(), scene.beat())
    for change, payment_id, _ in begun:
        change.wait_until_answered(scene, payment_id)
        change.ends_once(scene, payment_id)
        assert len({each["key"] for each in change.asked(scene, payment_id)}) == 1
    scene.books.must_agree()
