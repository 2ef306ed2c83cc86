"""Every way in which a payment is made ends once, by way of tasks, sweeps and workers that die."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.acceptance.scene import Scene

SELLER = "acct_seller"
SPLIT = {"application_fee_amount": 500, "transfer_data": {"destination": SELLER}}


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    """A worker and beat, which cancels at once what waits for its customer."""
    made = new_scene(PAYMENT_WORKER_ACTION_EXPIRY="1")
    return made.ready(made.worker(), made.beat())


def _line(scene: Scene, payment_id: str) -> dict[str, int]:
    (line,) = scene.simulator.ledger(**{"metadata[payment_id]": payment_id})["payment_intents"]
    return dict(line)


def test_a_platform_splits_a_payment_once_in_spite_of_silence(scene: Scene) -> None:
    payment_id = scene.charge(copies=0, **SPLIT)
    arguments = {"payment_id": payment_id, "order_id": "7", "amount": 10_000, "currency": "EUR"}
    scene.fault("hang", charge=payment_id, when="after")
    for _ in range(3):
        scene.producer.charge(**arguments, payment_method="pm_card_visa", **SPLIT)
    scene.payment(payment_id, "SUCCEEDED")
    assert (_line(scene, payment_id)["application_fee"], _line(scene, payment_id)["transferred"]) == (
        500,
        10_000,
    )
    refund_id = scene.refund(
        payment_id, copies=3, amount=5_000, reverse_transfer=True, refund_application_fee=True
    )
    scene.refund_row(refund_id, "PROCESSED")
    assert (_line(scene, payment_id)["application_fee"], _line(scene, payment_id)["transferred"]) == (
        250,
        5_000,
    )


def test_whom_the_customer_leaves_alone_is_canceled_by_the_sweep(scene: Scene) -> None:
    payment_id = scene.charge(payment_method="pm_card_threeDSecure2Required", customer_present=True)
    row = scene.payment(payment_id, "CANCELED")
    assert (row["cancellation_reason"], scene.history(payment_id)) == (
        "abandoned",
        ["REQUESTED", "REQUIRES_ACTION", "CANCELED"],
    )


def test_what_another_program_made_is_adopted_once(scene: Scene) -> None:
    payment_id = str(uuid4())
    fields = {"amount": 5000, "currency": "eur", "metadata": {"payment_id": payment_id}}
    made = scene.simulator.post("payment_intents", fields)["id"]
    away = scene.simulator.fault("unavailable", endpoint="payment_intents.retrieve", times=2)
    arguments = {"payment_id": payment_id, "order_id": "7", "payment_intent": made}
    for _ in range(3):
        scene.producer.send("payment_worker.adopt", "charges", arguments)
    assert scene.payment(arguments["payment_id"], "SUCCEEDED")["stripe_payment_intent_id"] == made
    scene.simulator.delete(f"faults/{away}")
    rejected = scene.producer.send(
        "payment_worker.adopt", "charges", {**arguments, "payment_id": str(uuid4())}
    )
    kept = scene.rows.wait_for("SELECT errors FROM rejected_request WHERE request_id = %s", rejected)
    assert kept["errors"][0]["code"] == "other_payment"
    assert (
        scene.refund_row(scene.refund(arguments["payment_id"], amount=1_000), "PROCESSED")["amount"] == 1_000
    )


def test_a_charge_of_later_is_made_by_the_sweep_when_it_is_due(scene: Scene) -> None:
    soon = (datetime.now(tz=UTC) + timedelta(seconds=3)).isoformat()
    payment_id = scene.charge(copies=3, not_before=soon)
    due = scene.rows.wait_for("SELECT not_before, status FROM payment WHERE payment_id = %s", payment_id)
    assert (due["status"], scene.posts(payment_id)) == ("REQUESTED", [])
    (post,) = scene.posts(str(scene.payment(payment_id, "SUCCEEDED")["payment_id"]))
    assert post["at"] >= due["not_before"].timestamp() - 1


def test_an_event_by_its_id_alone_is_fetched_and_a_forged_id_is_rejected(scene: Scene) -> None:
    payment_id = scene.charge(payment_method="pm_card_processing")
    intent = scene.payment(payment_id, "PROCESSING")["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/complete")
    (event,) = scene.simulator.get("events", type="payment_intent.succeeded", object=intent)["data"]
    away = scene.simulator.fault("unavailable", endpoint="events.retrieve", times=2)
    for _ in range(3):
        scene.producer.send("payment_worker.fetch_stripe_event", "events", {"event_id": event["id"]})
    scene.payment(payment_id, "SUCCEEDED")
    scene.simulator.delete(f"faults/{away}")
    forged = scene.producer.send("payment_worker.fetch_stripe_event", "events", {"event_id": "evt_forged"})
    kept = scene.rows.wait_for(
        "SELECT errors FROM rejected_request WHERE request_id = %s", forged, seconds=60
    )
    assert kept["errors"][0]["code"] == "no_such_event"


def test_the_books_agree(scene: Scene) -> None:
    scene.books.must_agree()
