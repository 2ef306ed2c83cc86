"""Of each way in which a payment is made, what a killed worker had in hand ends once, and every copy is a no-op."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.commands.refund_suspected import refund_id_of
from tests.acceptance.scene import Scene

# A call that lasts longer than it takes to kill its caller, and ends before the caller's lease does.
SETTINGS = {
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "2.5",
    "PAYMENT_WORKER_LEASE": "4",
    "PAYMENT_WORKER_ABSENCE_DELAY": "4",
    "PAYMENT_WORKER_FRAUD_REFUND_WITHIN": "86400",
}
WAYS: dict[str, dict[str, Any]] = {
    "split": {"application_fee_amount": 500, "transfer_data": {"destination": "acct_seller"}},
    "debit": {"payment_method": "pm_success_de", "currency": "EUR"},
    "present": {"customer_present": True, "return_url": "https://shop.example/done"},
    "later": {"not_before": (datetime.now(tz=UTC) + timedelta(seconds=1)).isoformat()},
}


def captures(scene: Scene) -> list[dict[str, Any]]:
    return [each for each in scene.simulator.journal() if each["endpoint"] == "payment_intents.capture"]


def test_each_way_survives_its_worker_silence_and_copies(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(**SETTINGS)
    worker = scene.worker()
    scene.ready(worker, scene.beat())
    scene.hand_on_webhooks(event_payload="thin")
    held = scene.charge(capture_method="manual", multicapture=True, amount=10_000, currency="EUR")
    suspected = scene.paid()
    intent = scene.payment(suspected, "SUCCEEDED")["stripe_payment_intent_id"]
    scene.payment(held, "AUTHORIZED")

    # One of each is asked for, and Stripe takes its time, before the effect or after it.
    paid = {}
    for when, (way, arguments) in zip(("before", "after") * 2, WAYS.items(), strict=True):
        paid[way] = str(uuid4())
        scene.fault("latency", charge=paid[way], when=when, seconds=2)
        scene.charge(payment_id=paid[way], order_id="7", copies=2, **arguments)
    scene.simulator.fault("latency", endpoint="payment_intents.capture", when="after", seconds=2)
    part = {"payment_id": held, "amount": 1_000, "final": False}
    message_id = str(uuid4())
    for _ in range(2):
        scene.producer.send("payment_worker.capture", "charges", part, task_id=message_id)
    warning = scene.simulator.post("early_fraud_warnings", {"payment_intent": intent})["id"]
    refund_id = str(refund_id_of(UUID(suspected), warning))
    scene.fault("latency", refund=refund_id, when="after", seconds=2)
    other_apps: dict[str, Any] = {"amount": 5000, "currency": "eur", "metadata": {"payment_id": str(uuid4())}}
    made = scene.simulator.post("payment_intents", other_apps)["id"]
    adopted = {**other_apps["metadata"], "order_id": "7", "payment_intent": made}
    scene.producer.send("payment_worker.adopt", "charges", adopted)
    for each in (*paid.values(), refund_id):
        scene.wait_for_post(each)
    wait_until(lambda: captures(scene), what="the capture")
    worker.kill()

    scene.ready(scene.worker())
    for way, payment_id in paid.items():
        scene.charge(payment_id=payment_id, order_id="7", **WAYS[way])
        scene.payment(payment_id, "SUCCEEDED", seconds=40)
        assert sum(post["effect"] for post in scene.posts(payment_id)) == 1, way
    scene.rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s AND amount_captured = 1000", held)
    assert sum(each["effect"] for each in captures(scene)) == 1
    scene.producer.send("payment_worker.capture", "charges", {"payment_id": held})
    assert scene.payment(held, "SUCCEEDED")["amount_captured"] == 10_000
    scene.refund_row(refund_id, "PROCESSED")
    assert sum(post["effect"] for post in scene.posts(refund_id)) == 1
    scene.producer.send("payment_worker.adopt", "charges", adopted)
    assert scene.payment(adopted["payment_id"], "SUCCEEDED")["stripe_payment_intent_id"] == made
    told = scene.rows("SELECT type FROM outbox WHERE type = 'PaymentSuspected'")
    assert len(told) == 1
    scene.books.must_agree()
