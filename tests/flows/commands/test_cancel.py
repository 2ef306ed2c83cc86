"""What has not succeeded is given up once, with its reason; what has is refused, and nothing is taken back."""

from uuid import UUID, uuid4

import pytest

from tests.flows.scene import Scene
from tests.harness.rows import Rows

DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"
WAITING = "pm_card_authenticationRequired"


@pytest.fixture
def held(scene: Scene) -> UUID:
    """A payment that is authorised."""
    return scene.charge(capture_method="manual")


def _payment(rows: Rows, payment_id: UUID) -> dict[str, object]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _canceled(rows: Rows) -> list[dict[str, object]]:
    return [row["data"] for row in rows("SELECT data FROM outbox WHERE type = 'PaymentCanceled'")]


def _cancels(scene: Scene) -> list[dict[str, object]]:
    return [each for each in scene.simulator.journal() if each["endpoint"] == "payment_intents.cancel"]


@pytest.mark.parametrize("method", ["pm_card_visa", WAITING, DECLINED])
def test_what_has_not_succeeded_is_canceled_there_and_here(scene: Scene, rows: Rows, method: str) -> None:
    payment_id = scene.charge(capture_method="manual", payment_method=method)
    answer = scene.cancel(payment_id)
    assert (answer.status, answer.reason) == ("CANCELED", None)
    assert scene.simulator.ledger()["payment_intents"][0]["status"] == "canceled"
    assert len(_canceled(rows)) == 1


@pytest.mark.parametrize(
    ("reason", "told_stripe"),
    [("requested_by_customer", "requested_by_customer"), ("out of stock", None), (None, None)],
)
def test_its_reason_is_published_and_stripe_gets_one_that_it_has(
    scene: Scene, rows: Rows, held: UUID, reason: str | None, told_stripe: str | None
) -> None:
    scene.cancel(held, reason=reason)
    assert _payment(rows, held)["cancellation_reason"] == reason
    assert _canceled(rows)[0].get("reason") == reason
    params = _cancels(scene)[0]["params"]
    assert isinstance(params, dict)
    assert params.get("cancellation_reason") == told_stripe


def test_an_event_that_comes_first_brings_the_reason_too(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.simulator.fault("server_error", endpoint="payment_intents.cancel", when="after")
    scene.simulator.fault("server_error", endpoint="payment_intents.retrieve")
    scene.cancel(held, reason="out of stock")
    scene.deliver(scene.events(types=["payment_intent.canceled"]))
    assert _payment(rows, held)["status"] == "CANCELED"
    assert [each["reason"] for each in _canceled(rows)] == ["out of stock"]


def test_the_same_again_is_a_no_op(scene: Scene, rows: Rows, held: UUID) -> None:
    message, another = uuid4(), uuid4()
    for each in (message, message, another):
        assert scene.cancel(held, message_id=each).status == "CANCELED"
    assert len(_cancels(scene)) == 1
    assert rows("SELECT 1 FROM rejected_request") == []


def test_a_message_with_the_id_of_another_request_is_executed(scene: Scene, rows: Rows, held: UUID) -> None:
    named_after_the_order = uuid4()
    captured = scene.charge(capture_method="manual")
    assert scene.capture(captured, message_id=named_after_the_order).status == "SUCCEEDED"
    refused = scene.capture(held, message_id=named_after_the_order, amount=1_000_000)
    assert refused.reason == "amount_exceeds_authorized"
    again = scene.capture(held, message_id=named_after_the_order, amount=1_000_000)
    assert again.reason == "amount_exceeds_authorized"
    assert len(rows("SELECT 1 FROM rejected_request")) == 1
    assert scene.cancel(held, message_id=named_after_the_order).status == "CANCELED"
    assert _payment(rows, held)["status"] == "CANCELED"


def test_what_has_succeeded_is_refused(scene: Scene, rows: Rows) -> None:
    paid = scene.charge()
    answer = scene.cancel(paid, reason="too late")
    assert (answer.status, answer.reason) == ("SUCCEEDED", "payment_succeeded")
    assert _payment(rows, paid)["cancellation_reason"] is None
    assert _cancels(scene) == []
    kept = rows.one("SELECT task, arguments, errors FROM rejected_request")
    assert kept["task"] == "payment_worker.cancel"
    assert kept["arguments"] == {"payment_id": str(paid), "reason": "too late"}
    assert kept["errors"][0]["code"] == "payment_succeeded"


def test_what_succeeded_meanwhile_is_recorded_and_rejected(scene: Scene, rows: Rows, held: UUID) -> None:
    intent = _payment(rows, held)["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/capture")
    answer = scene.cancel(held, reason="too late")
    assert (answer.status, answer.reason) == ("SUCCEEDED", "payment_succeeded")
    payment = _payment(rows, held)
    assert (payment["amount_captured"], payment["cancellation_reason"]) == (5000, None)
    assert _canceled(rows) == []


def test_what_stripe_never_made_leaves_nothing_to_cancel(scene: Scene, rows: Rows) -> None:
    refused = scene.charge(payment_method="pm_nobody_knows")
    assert _payment(rows, refused)["stripe_payment_intent_id"] is None
    assert scene.cancel(refused).reason == "nothing_at_stripe"
    assert _payment(rows, refused)["status"] == "FAILED"


@pytest.mark.parametrize(
    ("kind", "when"),
    [("server_error", "after"), ("server_error", "before"), ("reset", "after"), ("cut_body", "after")],
)
def test_trouble_on_the_way_cancels_once(scene: Scene, rows: Rows, held: UUID, kind: str, when: str) -> None:
    scene.simulator.fault(kind, endpoint="payment_intents.cancel", when=when)
    scene.cancel(held)
    scene.resume()
    assert _payment(rows, held)["status"] == "CANCELED"
    assert sum(bool(each["effect"]) for each in _cancels(scene)) == 1
    assert len(_canceled(rows)) == 1


def test_what_is_never_executed_leaves_the_payment_and_its_reason_out(
    scene: Scene, rows: Rows, held: UUID
) -> None:
    scene.simulator.fault("server_error", endpoint="payment_intents.cancel", times=None)
    scene.cancel(held, reason="out of stock")
    scene.resume()
    payment = _payment(rows, held)
    assert (payment["status"], payment["cancellation_reason"]) == ("AUTHORIZED", None)
    assert scene.capture(held).status == "SUCCEEDED"
