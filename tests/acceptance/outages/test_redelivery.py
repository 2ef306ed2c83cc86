"""C1: a message that Redis hands out again while it is still being run does no harm."""

from collections.abc import Callable
from datetime import datetime

from tests.acceptance.scene import Json, Scene
from tests.harness.producer import a_charge, a_refund


def test_a_message_redelivered_during_its_own_run_changes_nothing(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(
        PAYMENT_WORKER_VISIBILITY_TIMEOUT="2",
        PAYMENT_WORKER_STRIPE_TIMEOUT="6",
        PAYMENT_WORKER_LEASE="7",
        PAYMENT_WORKER_ABSENCE_DELAY="7",
    )
    scene.ready(scene.worker(), scene.worker())
    charge, refund = a_charge(), a_refund(scene.paid(), amount=50)
    scene.fault("latency", charge=charge["payment_id"], seconds=5)
    scene.fault("latency", refund=refund["refund_id"], seconds=5)
    sent = [scene.producer.charge(**charge), scene.producer.refund(**refund)]
    scene.payment(charge["payment_id"], "SUCCEEDED")
    scene.refund_row(refund["refund_id"], "PROCESSED")
    scene.witness.wait_for_end(sent)
    for message_id, identity in zip(sent, (charge["payment_id"], refund["refund_id"]), strict=True):
        # It really was handed out again, and all the same Stripe was asked once.
        assert len(scene.witness.events(message_id, "task-received")) > 1
        assert len(scene.posts(identity)) == 1
        assert len(scene.history(identity)) == 2
    scene.books.must_agree()


def test_what_waits_waits_far_less_than_the_visibility_timeout(new_scene: Callable[..., Scene]) -> None:
    visibility_seconds = 8
    scene = new_scene(PAYMENT_WORKER_VISIBILITY_TIMEOUT=str(visibility_seconds))
    scene.ready(scene.worker(), scene.beat())
    charge, refund = a_charge(), a_refund(scene.paid())
    silence = scene.fault("hang", charge=charge["payment_id"], times=None)
    stall = scene.fault("rate_limited", refund=refund["refund_id"], times=None)
    scene.producer.charge(**charge)
    scene.producer.refund(**refund)
    scene.refund(charge["payment_id"])
    scene.rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND created_at < now() - interval '3 seconds'",
        charge["payment_id"],
    )
    for fault in (silence, stall):
        scene.simulator.delete(f"faults/{fault}")
    scene.payment(charge["payment_id"], "SUCCEEDED")
    scene.refund_row(refund["refund_id"], "PROCESSED")
    waits = [event for event in scene.witness.heard("task-received") if event["eta"]]
    assert waits
    assert all(_seconds_ahead(event) < visibility_seconds / 2 for event in waits)
    scene.books.must_agree()


def _seconds_ahead(event: Json) -> float:
    return float(datetime.fromisoformat(event["eta"]).timestamp() - event["timestamp"])
