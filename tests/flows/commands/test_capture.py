"""What is authorised is captured once, whole or in part, and never more; what cannot be is refused with its reason."""

from uuid import UUID, uuid4

import pytest

from tests.flows.scene import Scene
from tests.harness.rows import Rows


@pytest.fixture
def held(scene: Scene) -> UUID:
    """A payment of 50.00 EUR that is authorised."""
    return scene.charge(capture_method="manual")


def _payment(rows: Rows, payment_id: UUID) -> dict[str, object]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _published(rows: Rows, payment_id: UUID) -> list[str]:
    found = rows("SELECT type FROM outbox WHERE payment_id = %s ORDER BY position", str(payment_id))
    return [row["type"] for row in found]


def _captures(scene: Scene) -> list[dict[str, object]]:
    return [each for each in scene.simulator.journal() if each["endpoint"] == "payment_intents.capture"]


def _reasons(rows: Rows) -> list[tuple[str, str]]:
    found = rows("SELECT task, errors FROM rejected_request ORDER BY received_at")
    return [(row["task"], row["errors"][0]["code"]) for row in found]


def test_an_authorisation_is_published_with_its_expiry(scene: Scene, rows: Rows, held: UUID) -> None:
    payment = _payment(rows, held)
    assert (payment["status"], payment["amount_authorized"], payment["amount_captured"]) == (
        "AUTHORIZED",
        5000,
        0,
    )
    assert payment["capture_before"] is not None
    told = rows.one("SELECT data FROM outbox WHERE type = 'PaymentAuthorized'")["data"]
    assert told["amount"] == 5000
    assert told["captureBefore"] > told["authorizedAt"]
    assert scene.simulator.ledger()["payment_intents"][0]["captured"] == 0


def test_all_of_it_is_captured(scene: Scene, rows: Rows, held: UUID) -> None:
    answer = scene.capture(held)
    assert (answer.status, answer.reason) == ("SUCCEEDED", None)
    assert _payment(rows, held)["amount_captured"] == 5000
    assert _published(rows, held) == ["PaymentRequested", "PaymentAuthorized", "PaymentSucceeded"]


def test_a_part_of_it_is_captured_and_the_rest_let_go(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.capture(held, amount=1234)
    assert _payment(rows, held)["amount_captured"] == 1234
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert (intent["captured"], intent["refund_count"]) == (1234, 0)
    assert rows.one("SELECT data FROM outbox WHERE type = 'PaymentSucceeded'")["data"]["amount"] == 1234
    assert scene.refund(held).status == "PROCESSED"
    assert _payment(rows, held)["amount_refunded"] == 1234


def test_the_same_again_is_a_no_op_whoever_asks(scene: Scene, rows: Rows, held: UUID) -> None:
    message = uuid4()
    scene.capture(held, amount=1234, message_id=message)
    for again in (message, uuid4()):
        answer = scene.capture(held, amount=1234, message_id=again)
        assert (answer.status, answer.reason) == ("SUCCEEDED", None)
    assert len(_captures(scene)) == 1
    assert _reasons(rows) == []


def test_another_amount_after_it_is_refused(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.capture(held, amount=1234)
    answer = scene.capture(held, amount=1235)
    assert (answer.status, answer.reason) == ("SUCCEEDED", "already_captured")
    assert _reasons(rows) == [("payment_worker.capture", "already_captured")]
    assert len(_captures(scene)) == 1


def test_more_than_is_authorised_is_refused_and_stripe_is_not_asked(
    scene: Scene, rows: Rows, held: UUID
) -> None:
    message = uuid4()
    for _ in range(2):
        answer = scene.capture(held, amount=5001, message_id=message)
        assert (answer.status, answer.reason) == ("AUTHORIZED", "amount_exceeds_authorized")
    assert _reasons(rows) == [("payment_worker.capture", "amount_exceeds_authorized")]
    assert _captures(scene) == []
    assert scene.capture(held).status == "SUCCEEDED"


def test_what_was_never_held_is_refused(scene: Scene, rows: Rows) -> None:
    declined = scene.charge(capture_method="manual", payment_method="pm_card_visa_chargeDeclined")
    assert scene.capture(declined).reason == "payment_failed"
    waiting = scene.charge(capture_method="manual", payment_method="pm_card_authenticationRequired")
    assert scene.capture(waiting).reason == "payment_not_authorized"
    assert _payment(rows, declined)["status"] == "FAILED"
    assert _payment(rows, waiting)["status"] == "REQUIRES_ACTION"


def test_after_its_end_an_authorisation_is_canceled_with_the_reason(
    scene: Scene, rows: Rows, held: UUID
) -> None:
    scene.advance(8 * 86_400)
    scene.deliver(scene.events(types=["payment_intent.canceled"]))
    payment = _payment(rows, held)
    assert (payment["status"], payment["cancellation_reason"]) == ("CANCELED", "expired")
    assert rows.one("SELECT data FROM outbox WHERE type = 'PaymentCanceled'")["data"]["reason"] == "expired"
    assert scene.capture(held).reason == "authorization_expired"


def test_a_capture_that_finds_the_authorization_expired_records_that(
    scene: Scene, rows: Rows, held: UUID
) -> None:
    scene.advance(8 * 86_400)
    answer = scene.capture(held)
    assert (answer.status, answer.reason) == ("CANCELED", "authorization_expired")
    assert _payment(rows, held)["status"] == "CANCELED"
    assert _published(rows, held)[-2:] == ["PaymentCanceled", "RequestRejected"]
    assert _reasons(rows) == [("payment_worker.capture", "authorization_expired")]


def test_what_was_captured_in_the_dashboard_is_not_captured_again(
    scene: Scene, rows: Rows, held: UUID
) -> None:
    intent = _payment(rows, held)["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/capture", {"amount_to_capture": 100})
    answer = scene.capture(held, amount=100)
    assert (answer.status, answer.reason) == ("SUCCEEDED", None)
    assert _payment(rows, held)["amount_captured"] == 100
    assert scene.capture(held).reason == "already_captured"


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("server_error", "after"),
        ("server_error", "before"),
        ("reset", "after"),
        ("reset", "before"),
        ("cut_body", "after"),
        ("bad_gateway", "after"),
        ("conflict", "before"),
        ("rate_limited", "before"),
        ("unauthorized", "before"),
    ],
)
def test_trouble_on_the_way_takes_the_money_once(
    scene: Scene, rows: Rows, held: UUID, kind: str, when: str
) -> None:
    scene.simulator.fault(kind, endpoint="payment_intents.capture", when=when)
    scene.capture(held, amount=1234)
    scene.resume()
    assert _payment(rows, held)["status"] == "SUCCEEDED"
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert intent["captured"] == 1234
    assert sum(bool(each["effect"]) for each in _captures(scene)) == 1
    assert rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL") == []


def test_what_is_never_executed_leaves_the_authorisation(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.simulator.fault("server_error", endpoint="payment_intents.capture", times=None)
    scene.capture(held)
    scene.resume()
    assert _payment(rows, held)["status"] == "AUTHORIZED"
    assert _reasons(rows) == [("payment_worker.capture", "never_executed_by_stripe")]
    assert len({each["key"] for each in _captures(scene)}) == 3


def test_past_its_keys_safe_age_nothing_is_sent(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.simulator.fault("server_error_unstored", endpoint="payment_intents.capture", times=None)
    scene.capture(held)
    sent = len(_captures(scene))
    scene.advance(24 * 3600)
    scene.resume()
    assert len(_captures(scene)) == sent
    assert _payment(rows, held)["status"] == "AUTHORIZED"


def test_another_request_is_refused_while_it_is_unanswered(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.simulator.fault("server_error", endpoint="payment_intents.capture", times=None)
    scene.capture(held, amount=1234)
    assert scene.capture(held, amount=1235).reason == "attempt_unanswered"
    assert scene.cancel(held).reason == "attempt_unanswered"
    assert scene.retry(held).reason == "attempt_unanswered"
    assert scene.capture(held, amount=1234).reason is None
    scene.simulator.delete("faults")
    scene.resume()
    assert _payment(rows, held)["amount_captured"] == 1234
