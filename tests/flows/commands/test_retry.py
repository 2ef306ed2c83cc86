"""A declined payment is tried again on its own PaymentIntent, once a message, and never while anything is unknown."""

from uuid import UUID, uuid4

import pytest

from tests.flows.scene import Scene
from tests.harness.rows import Rows

POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"


@pytest.fixture
def declined(scene: Scene) -> UUID:
    """A payment that was declined for want of funds."""
    return scene.charge(payment_method=POOR)


def _payment(rows: Rows, payment_id: UUID) -> dict[str, object]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _statuses(rows: Rows, payment_id: UUID) -> list[str]:
    query = "SELECT to_status FROM payment_history WHERE payment_id = %s ORDER BY history_id"
    return [row["to_status"] for row in rows(query, str(payment_id))]


def _published(rows: Rows) -> list[str]:
    return [row["type"] for row in rows("SELECT type FROM outbox ORDER BY position")]


def _confirms(scene: Scene) -> list[dict[str, object]]:
    return [each for each in scene.simulator.journal() if each["endpoint"] == "payment_intents.confirm"]


def test_another_card_may_succeed_on_the_same_payment_intent(
    scene: Scene, rows: Rows, declined: UUID
) -> None:
    intent = _payment(rows, declined)["stripe_payment_intent_id"]
    message = uuid4()
    answer = scene.retry(declined, payment_method="pm_card_visa", message_id=message)
    assert (answer.status, answer.stripe_id, answer.reason) == ("SUCCEEDED", intent, None)
    assert _statuses(rows, declined) == ["REQUESTED", "FAILED", "REQUESTED", "SUCCEEDED"]
    assert _published(rows) == ["PaymentRequested", "PaymentFailed", "PaymentRequested", "PaymentSucceeded"]
    ledger = scene.simulator.ledger()["payment_intents"]
    assert [(each["effects"], each["attempts"]) for each in ledger] == [(1, 2)]
    keys = [row["idempotency_key"] for row in rows("SELECT * FROM payment_attempt ORDER BY number")]
    assert keys == [f"{declined}:charge:1", f"{declined}:retry:2:{message}"]


def test_the_same_card_is_tried_if_no_other_is_named(scene: Scene, rows: Rows, declined: UUID) -> None:
    answer = scene.retry(declined)
    assert (answer.status, answer.reason) == ("FAILED", "insufficient_funds")
    scene.retry(declined, payment_method="pm_card_visa_chargeDeclined")
    scene.retry(declined)
    used = [each["params"] for each in _confirms(scene)]
    assert [each["payment_method"] for each in used if isinstance(each, dict)] == [
        POOR,
        "pm_card_visa_chargeDeclined",
        "pm_card_visa_chargeDeclined",
    ]
    assert _payment(rows, declined)["retries"] == 3


def test_a_message_asks_for_one_try_however_often_it_comes(scene: Scene, rows: Rows, declined: UUID) -> None:
    message = uuid4()
    for _ in range(3):
        answer = scene.retry(declined, message_id=message)
        assert (answer.status, answer.reason) == ("FAILED", "insufficient_funds")
    assert len(_confirms(scene)) == 1
    assert _payment(rows, declined)["retries"] == 1


def test_what_waits_for_its_customer_may_be_tried_with_another_card(scene: Scene, rows: Rows) -> None:
    waiting = scene.charge(payment_method="pm_card_authenticationRequired")
    assert scene.retry(waiting, payment_method="pm_card_visa").status == "SUCCEEDED"
    assert _statuses(rows, waiting) == ["REQUESTED", "REQUIRES_ACTION", "REQUESTED", "SUCCEEDED"]


def test_a_manual_payment_is_authorised_by_a_retry(scene: Scene, rows: Rows) -> None:
    declined = scene.charge(payment_method=POOR, capture_method="manual")
    assert scene.retry(declined, payment_method="pm_card_visa").status == "AUTHORIZED"
    assert _payment(rows, declined)["capture_before"] is not None
    assert scene.capture(declined).status == "SUCCEEDED"


def test_a_payment_that_succeeded_is_not_tried_again(scene: Scene, rows: Rows) -> None:
    paid = scene.charge()
    assert (scene.retry(paid).status, scene.retry(paid).reason) == ("SUCCEEDED", None)
    assert _confirms(scene) == []
    assert rows("SELECT 1 FROM rejected_request") == []


@pytest.mark.parametrize(
    ("method", "again", "reason"),
    [
        ("pm_card_visa_chargeDeclinedStolenCard", None, "declined_for_good"),
        ("pm_nobody_knows", "pm_card_visa", "nothing_at_stripe"),
    ],
)
def test_a_try_that_is_of_no_use_is_refused(
    scene: Scene, rows: Rows, method: str, again: str | None, reason: str
) -> None:
    payment_id = scene.charge(payment_method=method)
    answer = scene.retry(payment_id, payment_method=again)
    assert (answer.status, answer.reason) == ("FAILED", reason)
    assert _confirms(scene) == []
    assert rows.one("SELECT errors FROM rejected_request")["errors"][0]["code"] == reason


def test_another_card_is_tried_after_a_stolen_one(scene: Scene) -> None:
    stolen = scene.charge(payment_method="pm_card_visa_chargeDeclinedStolenCard")
    assert scene.retry(stolen, payment_method="pm_card_visa").status == "SUCCEEDED"


def test_tries_are_capped(scene: Scene, rows: Rows, declined: UUID) -> None:
    most = scene.context.policy.retries.most_in_period
    answers = [scene.retry(declined) for _ in range(most + 1)]
    assert [answer.reason for answer in answers] == ["insufficient_funds"] * most + ["too_many_retries"]
    scene.clock.advance(31 * 86_400)
    assert scene.retry(declined).reason == "insufficient_funds"
    assert _payment(rows, declined)["retries"] == most + 1


def test_a_try_is_refused_while_the_charge_is_unknown(scene: Scene, rows: Rows) -> None:
    scene.simulator.fault("server_error", endpoint="payment_intents.create", when="before", times=None)
    unknown = scene.charge()
    answer = scene.retry(unknown, payment_method="pm_card_mastercard")
    assert (answer.status, answer.reason) == ("REQUESTED", "attempt_unanswered")
    assert _confirms(scene) == []
    scene.simulator.delete("faults")
    scene.resume()
    assert _payment(rows, unknown)["status"] == "SUCCEEDED"
    assert len(scene.simulator.ledger()["payment_intents"]) == 1


@pytest.mark.parametrize("method", ["pm_card_visa", POOR])
@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "server_error", "when": "after"},
        {"kind": "server_error", "when": "before"},
        {"kind": "reset", "when": "after"},
        {"kind": "reset", "when": "before"},
        {"kind": "cut_body", "when": "after"},
        {"kind": "bad_gateway", "when": "after"},
        {"kind": "rate_limited", "when": "before"},
    ],
    ids=lambda trouble: " ".join(trouble.values()),
)
def test_trouble_on_the_way_takes_the_money_at_most_once(
    scene: Scene, rows: Rows, declined: UUID, trouble: dict[str, str], method: str
) -> None:
    scene.simulator.fault(endpoint="payment_intents.confirm", **trouble)
    scene.retry(declined, payment_method=method)
    scene.resume()
    (intent,) = scene.simulator.ledger()["payment_intents"]
    good = method == "pm_card_visa"
    assert _payment(rows, declined)["status"] == ("SUCCEEDED" if good else "FAILED")
    assert (intent["effects"], intent["attempts"]) == (int(good), 2)
    assert rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL") == []
    assert _statuses(rows, declined)[2:] == ["REQUESTED", "SUCCEEDED" if good else "FAILED"]


def test_the_old_decline_says_nothing_of_an_unanswered_retry(
    scene: Scene, rows: Rows, declined: UUID
) -> None:
    old = scene.events()
    scene.simulator.fault("server_error", endpoint="payment_intents.confirm", when="before", times=1)
    scene.retry(declined, payment_method="pm_card_visa")
    assert _payment(rows, declined)["status"] == "REQUESTED"
    scene.deliver(old)
    assert _payment(rows, declined)["status"] == "REQUESTED"
    scene.resume()
    scene.deliver(scene.events())
    assert _statuses(rows, declined) == ["REQUESTED", "FAILED", "REQUESTED", "SUCCEEDED"]


def test_a_try_that_never_was_leaves_the_payment_failed(scene: Scene, rows: Rows, declined: UUID) -> None:
    scene.simulator.fault("server_error", endpoint="payment_intents.confirm", times=None)
    scene.retry(declined, payment_method="pm_card_visa")
    scene.resume()
    payment = _payment(rows, declined)
    assert (payment["status"], payment["failure_reason"]) == ("FAILED", "PROCESSING_ERROR")
    scene.simulator.delete("faults")
    assert scene.retry(declined, payment_method="pm_card_visa").status == "SUCCEEDED"


def test_what_the_customer_paid_meanwhile_is_not_taken_again(
    scene: Scene, rows: Rows, declined: UUID
) -> None:
    intent = _payment(rows, declined)["stripe_payment_intent_id"]
    scene.confirm_on_session(str(intent), "pm_card_visa")
    answer = scene.retry(declined, payment_method="pm_card_mastercard")
    assert answer.status == "SUCCEEDED"
    assert scene.simulator.ledger()["payment_intents"][0]["effects"] == 1


def test_a_try_that_stripe_refuses_fails_with_its_code(scene: Scene, rows: Rows, declined: UUID) -> None:
    answer = scene.retry(declined, payment_method="pm_nobody_knows")
    assert (answer.status, answer.reason) == ("FAILED", "resource_missing")
    assert _published(rows)[-2:] == ["PaymentRequested", "PaymentFailed"]
    assert scene.retry(declined, payment_method="pm_card_visa").status == "SUCCEEDED"


def test_what_an_earlier_request_went_through_leaves_a_later_one_all_its_attempts(
    scene: Scene, rows: Rows, declined: UUID
) -> None:
    def retry(payment_method: str, *, never_executed: int) -> str:
        scene.simulator.fault(
            "server_error", endpoint="payment_intents.confirm", when="before", times=never_executed
        )
        scene.retry(declined, payment_method=payment_method)
        scene.resume()
        return str(_payment(rows, declined)["status"])

    assert retry(POOR, never_executed=3) == "FAILED"
    assert retry("pm_card_visa", never_executed=1) == "SUCCEEDED"
    ends = [row["status"] for row in rows("SELECT status FROM payment_attempt ORDER BY number")]
    assert ends == ["DECLINED", "ABSENT", "ABSENT", "DECLINED", "ABSENT", "EXECUTED"]
