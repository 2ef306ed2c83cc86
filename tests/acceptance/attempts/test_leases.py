"""An owner that sleeps or dies wedges nothing, and what it writes too late is refused; no lock outlives its moment."""

from collections.abc import Callable

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Scene
from tests.harness.length import examples
from tests.harness.producer import a_charge, a_refund

NewScene = Callable[..., Scene]


def test_a_frozen_worker_is_taken_over_and_its_late_write_is_refused(new_scene: NewScene) -> None:
    """S1."""
    scene = new_scene()
    sleeper = scene.worker(name="sleeper")
    scene.ready(sleeper)
    charge, refund = a_charge(), a_refund(scene.paid(), amount=300)
    ids = (charge["payment_id"], refund["refund_id"])
    # The first request is answered while its sender sleeps; those of whoever takes over never are.
    for subject in ({"charge": ids[0]}, {"refund": ids[1]}):
        scene.fault("latency", when="after", seconds=0.9, **subject)
        scene.fault("reset", when="after", times=None, **subject)
    sent = [scene.producer.charge(**charge), scene.producer.refund(**refund)]
    for each in ids:
        scene.wait_for_post(each)
    sleeper.pause()
    scene.ready(scene.worker())
    wait_until(lambda: _are_taken_over(scene, ids), seconds=20, every_seconds=0.3, what="taken over")
    sleeper.resume()
    scene.witness.wait_for_end(sent)
    ends = [event for event in scene.witness.heard("task-succeeded") if event["uuid"] in sent]
    assert {event["hostname"].split("@")[0] for event in ends} == {"sleeper"}
    # It knew how both had ended, and was not allowed to say so.
    assert [scene.history(each) for each in ids] == [["REQUESTED"]] * 2
    scene.simulator.delete("faults")
    scene.ready(scene.beat())
    scene.payment(charge["payment_id"], "SUCCEEDED")
    scene.refund_row(refund["refund_id"], "PROCESSED")
    for each in ids:
        assert len({(post["key"], post["body"]) for post in scene.posts(each)}) == 1
        assert len(scene.history(each)) == 2
    scene.books.must_agree()


def test_no_transaction_and_no_lock_is_open_while_stripe_is_asked(new_scene: NewScene) -> None:
    """S3."""
    scene = new_scene(
        PAYMENT_WORKER_STRIPE_TIMEOUT="4", PAYMENT_WORKER_LEASE="5", PAYMENT_WORKER_ABSENCE_DELAY="5"
    )
    scene.ready(scene.worker())
    paid = [scene.paid() for _ in range(3)]
    scene.simulator.post("settings", {"latency_seconds": 3})
    charges, refunds = [scene.charge() for _ in range(3)], [scene.refund(each) for each in paid]
    for each in charges + refunds:
        scene.wait_for_post(each)
    wait_until(lambda: not _open_transactions(scene), seconds=2, what="no transaction")
    assert [scene.history(each) for each in charges + refunds] == [["REQUESTED"]] * 6
    scene.simulator.post("settings", {"latency_seconds": 0})
    for each in charges:
        scene.payment(each, "SUCCEEDED")
    for each in refunds:
        scene.refund_row(each, "PROCESSED")
    scene.books.must_agree()


def test_events_charges_and_refunds_of_one_payment_never_deadlock(new_scene: NewScene) -> None:
    """S3."""
    scene = new_scene()
    scene.ready(scene.worker(), scene.worker())
    scene.hand_on_webhooks()
    scene.simulator.post("webhooks/mode", {"copies": 2, "shuffle": 5})
    payment_ids = [scene.charge(copies=2) for _ in range(5)]
    for payment_id in payment_ids:
        scene.payment(payment_id, "SUCCEEDED")
    refunds = [
        scene.refund(each, amount=10 + n, copies=2)
        for each in payment_ids
        for n in range(examples(4, long=8))
    ]
    for refund_id in refunds:
        scene.refund_row(refund_id, "PROCESSED")
    news = "SELECT 1 FROM stripe_event WHERE type = 'refund.created' AND status = 'PROCESSED'"
    wait_until(lambda: len(scene.rows(news)) == len(refunds), seconds=30, what="every refund's event")
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert scene.rows.one(query)["deadlocks"] == 0
    scene.books.must_agree()


def _are_taken_over(scene: Scene, ids: tuple[str, str]) -> bool:
    """Sweep as beat would, without its poll: Stripe's events would show how both ended."""
    scene.producer.send("payment_worker.resume_stalled", "maintenance", {})
    return all(len(scene.posts(each)) > 1 for each in ids)


def _open_transactions(scene: Scene) -> list[dict[str, object]]:
    return scene.rows(
        "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'payment-worker' AND xact_start IS NOT NULL"
    )
