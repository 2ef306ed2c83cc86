"""R1: whoever races, the refunds of a payment never exceed what was captured."""

from collections import Counter
from collections.abc import Callable

from tests.acceptance.scene import PATIENT, Scene
from tests.harness.producer import a_refund


def test_twenty_racing_refunds_from_several_processes_never_exceed_the_charge(
    new_scene: Callable[..., Scene],
) -> None:
    scene = new_scene(**PATIENT)
    scene.ready(*(scene.worker(pool="prefork", concurrency=4) for _ in range(2)))
    payment_ids = [scene.paid(amount=10_000) for _ in range(2)]
    scene.simulator.post("settings", {"latency_seconds": 0.1})
    # Eleven of 900 fit into 10,000. Each is sent twice, so that copies race as well.
    refunds = [a_refund(each, amount=900) for each in payment_ids for _ in range(20)]
    sent = [scene.producer.refund(**refund) for refund in refunds for _ in range(2)]
    scene.witness.wait_for_end(sent, seconds=40)
    for payment_id in payment_ids:
        rows = scene.rows("SELECT * FROM refund WHERE payment_id = %s", payment_id)
        assert Counter(row["status"] for row in rows) == {"PROCESSED": 11, "FAILED": 9}
        losers = {row["failure_reason"] for row in rows if row["status"] == "FAILED"}
        assert losers == {"amount_exceeds_refundable"}
        assert scene.payment(payment_id, "SUCCEEDED")["amount_refunded"] == 9_900
    asked = scene.simulator.journal(endpoint="refunds.create")
    assert len(asked) == 22
    runners = {event["hostname"] for event in scene.witness.heard("task-started") if event["uuid"] in sent}
    assert len(runners) == 2
    scene.books.must_agree()
