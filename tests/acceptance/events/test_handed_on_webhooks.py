"""What an app hands on of Stripe's webhooks moves our record, whichever of its events comes; once, however often."""

from collections.abc import Iterator

import pytest

from tests.acceptance.scene import Json, Scene
from tests.harness.producer import a_charge


@pytest.fixture(scope="module")
def endpoint(scene: Scene) -> str:
    """Where our app takes in webhooks."""
    later = ("processing_delay_seconds", "pending_refund_delay_seconds", "refund_failure_delay_seconds")
    scene.simulator.post("settings", dict.fromkeys(later, 86_400))
    return scene.hand_on_webhooks()


@pytest.fixture(autouse=True)
def heard(scene: Scene, endpoint: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """Only the types that a test names with `only` are heard of, so that each must do alone."""
    mark = request.node.get_closest_marker("only")
    scene.simulator.post(f"webhooks/endpoints/{endpoint}", {"types": list(mark.args) if mark else ["*"]})
    yield
    scene.books.must_agree()


@pytest.mark.only("payment_intent.succeeded")
def test_a_processing_payment_succeeds(scene: Scene) -> None:
    row = scene.payment(scene.charge(payment_method="pm_card_processing"), "PROCESSING")
    _happens(scene, row, "complete")
    assert scene.payment(row["payment_id"], "SUCCEEDED")["amount_captured"] == 10_000
    assert scene.history(row["payment_id"]) == ["REQUESTED", "PROCESSING", "SUCCEEDED"]


@pytest.mark.only("payment_intent.payment_failed")
def test_a_processing_payment_fails(scene: Scene) -> None:
    row = scene.payment(scene.charge(payment_method="pm_card_processing"), "PROCESSING")
    _happens(scene, row, "fail", code="card_declined", decline_code="insufficient_funds")
    failed = scene.payment(row["payment_id"], "FAILED")
    assert (failed["failure_reason"], failed["decline_code"]) == ("INSUFFICIENT_FUNDS", "insufficient_funds")


@pytest.mark.only("payment_intent.processing")
def test_a_payment_whose_answer_is_lost_is_processing(scene: Scene) -> None:
    charge = a_charge(payment_method="pm_card_processing")
    deafness = scene.fault("reset", charge=charge["payment_id"], when="after", times=None)
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "PROCESSING")
    scene.simulator.delete(f"faults/{deafness}")


@pytest.mark.only("payment_intent.canceled")
def test_an_authorised_payment_is_canceled_in_the_dashboard(scene: Scene) -> None:
    row = scene.payment(scene.charge(capture_method="manual"), "AUTHORIZED")
    _happens(scene, row, "cancel")
    scene.payment(row["payment_id"], "CANCELED")


@pytest.mark.only("refund.created")
def test_a_refund_made_in_the_dashboard_is_adopted(scene: Scene) -> None:
    _refunded_in_the_dashboard(scene)


@pytest.mark.only("charge.refunded")
def test_a_charge_that_is_refunded_brings_its_refund(scene: Scene) -> None:
    _refunded_in_the_dashboard(scene)


# In the days that pass, what other tests have left in processing succeeds.
@pytest.mark.only(
    "payout.created", "payout.paid", "payout.reconciliation_completed", "payment_intent.succeeded"
)
def test_a_payout_is_published_without_waiting_for_beat(scene: Scene) -> None:
    scene.payment(scene.charge(), "SUCCEEDED")
    scene.simulator.advance(3 * 86_400)
    sent = scene.simulator.post("payouts")["payouts"]
    scene.simulator.advance(86_400)
    for payout in sent:
        scene.rows.wait_for(
            "SELECT 1 FROM outbox WHERE type = 'PayoutPaid' AND stripe_payout_id = %s", payout["id"]
        )
    assert sent


def _refunded_in_the_dashboard(scene: Scene) -> None:
    row = scene.payment(scene.charge(), "SUCCEEDED")
    _happens(scene, row, "refund", amount=1_500)
    adopted = scene.rows.wait_for("SELECT * FROM refund WHERE payment_id = %s", row["payment_id"])
    assert (adopted["amount"], adopted["status"]) == (1_500, "PROCESSED")
    assert scene.payment(row["payment_id"], "SUCCEEDED")["amount_refunded"] == 1_500
    # What is gone is gone: no more than the rest can be asked for.
    refund_id = scene.refund(str(row["payment_id"]), amount=8_501)
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "amount_exceeds_refundable"


@pytest.mark.only("refund.updated")
def test_a_pending_refund_is_processed(scene: Scene) -> None:
    refund_id = scene.refund(scene.paid(payment_method="pm_card_pendingRefund"))
    pending = scene.refund_row(refund_id, "PENDING")
    scene.simulator.post(f"refunds/{pending['stripe_refund_id']}/succeed")
    scene.refund_row(refund_id, "PROCESSED")


@pytest.mark.only("refund.failed")
def test_a_refund_that_the_bank_returns_fails_and_can_be_made_again(scene: Scene) -> None:
    payment_id = scene.paid(payment_method="pm_card_refundFail")
    refund_id = scene.refund(payment_id)
    processed = scene.refund_row(refund_id, "PROCESSED")
    scene.simulator.post(
        f"refunds/{processed['stripe_refund_id']}/fail", {"failure_reason": "lost_or_stolen_card"}
    )
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "lost_or_stolen_card"
    assert scene.payment(payment_id, "SUCCEEDED")["amount_refunded"] == 0
    scene.refund_row(scene.refund(payment_id), "PROCESSED")
    assert scene.payment(payment_id, "SUCCEEDED")["amount_refunded"] == 10_000


def test_events_that_come_again_and_again_change_nothing_more(scene: Scene) -> None:
    scene.simulator.post("webhooks/mode", {"copies": 2})
    scene.simulator.post("settings", {"event_copies": 2})
    row = scene.payment(scene.charge(payment_method="pm_card_processing"), "PROCESSING")
    _happens(scene, row, "complete")
    scene.payment(row["payment_id"], "SUCCEEDED")
    _happens(scene, row, "refund", amount=700)
    scene.rows.wait_for("SELECT 1 FROM refund WHERE payment_id = %s", row["payment_id"])
    scene.simulator.post("settings", {"event_copies": 1})
    scene.simulator.post("webhooks/mode", {"copies": 1})
    events = _events_about(scene, row)
    assert len(events) > 6
    for event in reversed(events):
        scene.simulator.post("webhooks/redeliver", {"event": event["id"], "times": 3})
    for event in events:
        scene.rows.wait_for(
            "SELECT 1 FROM stripe_event WHERE event_id = %s AND status <> 'RECEIVED'", event["id"]
        )
    scene.wait_until_idle()
    assert scene.history(str(row["payment_id"])) == ["REQUESTED", "PROCESSING", "SUCCEEDED"]
    assert scene.payment(str(row["payment_id"]), "SUCCEEDED")["amount_refunded"] == 700
    ids = [event["id"] for event in events]
    kept = scene.rows("SELECT event_id, status FROM stripe_event WHERE event_id = ANY(%s)", ids)
    assert sorted(each["event_id"] for each in kept) == sorted(ids)
    assert {each["status"] for each in kept} <= {"PROCESSED", "IGNORED"}


def test_an_event_about_somebody_elses_payment_is_kept_as_ignored(scene: Scene) -> None:
    before = scene.rows.one("SELECT count(*) FROM payment")
    intent = scene.simulator.post(
        "payment_intents", {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa"}
    )
    query = "SELECT status FROM stripe_event WHERE object_id = %s AND type = 'payment_intent.succeeded'"
    assert scene.rows.wait_for(f"{query} AND status <> 'RECEIVED'", intent["id"])["status"] == "IGNORED"
    assert scene.rows.one("SELECT count(*) FROM payment") == before


def _happens(scene: Scene, row: Json, what: str, **fields: object) -> None:
    """What people and banks do with a payment at Stripe's."""
    scene.simulator.post(f"payment_intents/{row['stripe_payment_intent_id']}/{what}", fields)


def _events_about(scene: Scene, row: Json) -> list[Json]:
    intent = scene.payment(row["payment_id"], row["status"], "SUCCEEDED")["stripe_payment_intent_id"]
    events: list[Json] = scene.simulator.get("events")["data"]
    return [event for event in events if intent in str(event["data"])]
