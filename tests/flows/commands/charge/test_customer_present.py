"""A payment whose customer is there tells once what it needs of them, and ends whatever they do."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from payment_worker.flows import pauses
from payment_worker.flows.commands.expire_action import expire_action
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.sweep import FollowUp, claim_follow_ups
from tests.flows.scene import Clock, Scene
from tests.harness.rows import Rows

THREE_D_SECURE = "pm_card_threeDSecure2Required"
POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"
DONE = "https://shop.example/done"
DAY = 86_400


@pytest.fixture
def waiting(scene: Scene) -> UUID:
    """A payment whose customer is there and has to authenticate."""
    return scene.charge(payment_method=THREE_D_SECURE, customer_present=True, return_url=DONE)


def _payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _published(rows: Rows) -> Counter[str]:
    return Counter(row["type"] for row in rows("SELECT type FROM outbox"))


def _expire(scene: Scene) -> int:
    """Hand out what waited long enough, and do it, twice each."""
    due = claim_follow_ups(scene.context, FollowUp.EXPIRED_ACTIONS)
    for payment_id in [*due, *due]:
        expire_action(scene.context, payment_id)
    return len(due)


def test_the_customers_redirect_is_published_once(scene: Scene, rows: Rows, waiting: UUID) -> None:
    scene.deliver([*scene.events(), *scene.events()])
    payment = _payment(rows, waiting)
    assert payment["status"] == "REQUIRES_ACTION"
    assert _published(rows) == {"PaymentRequested": 1, "PaymentActionRequired": 1}
    told = rows.one("SELECT data FROM outbox WHERE type = 'PaymentActionRequired'")["data"]
    assert told["actionUrl"] == f"https://hooks.stripe.com/3d_secure_2/{payment['stripe_payment_intent_id']}"
    (sent,) = [each["params"] for each in scene.simulator.journal()]
    assert "off_session" not in sent
    assert (sent["return_url"], sent["automatic_payment_methods"]["allow_redirects"]) == (DONE, "always")


def test_a_customer_who_comes_back_twice_pays_once(scene: Scene, rows: Rows, waiting: UUID) -> None:
    intent = _payment(rows, waiting)["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/complete")
    scene.deliver([*scene.events(), *reversed(scene.events())])
    assert _payment(rows, waiting)["status"] == "SUCCEEDED"
    assert _published(rows) == {"PaymentRequested": 1, "PaymentActionRequired": 1, "PaymentSucceeded": 1}
    assert scene.simulator.ledger()["payment_intents"][0]["effects"] == 1
    scene.advance(30 * DAY)
    assert _expire(scene) == 0


def test_a_customer_who_goes_on_from_another_device_pays_the_same(
    scene: Scene, rows: Rows, waiting: UUID
) -> None:
    scene.confirm_on_session(_payment(rows, waiting)["stripe_payment_intent_id"], "pm_card_visa")
    scene.deliver(scene.events())
    assert _payment(rows, waiting)["status"] == "SUCCEEDED"
    assert _published(rows)["PaymentSucceeded"] == 1


def test_a_customer_who_never_comes_back_is_waited_for_so_long_and_no_longer(
    scene: Scene, rows: Rows, waiting: UUID
) -> None:
    scene.advance(DAY - 60)
    assert _expire(scene) == 0
    scene.advance(120)
    assert _expire(scene) == 1
    payment = _payment(rows, waiting)
    assert (payment["status"], payment["cancellation_reason"]) == ("CANCELED", "abandoned")
    assert _published(rows) == {"PaymentRequested": 1, "PaymentActionRequired": 1, "PaymentCanceled": 1}
    assert scene.simulator.ledger()["payment_intents"][0]["status"] == "canceled"
    assert len(scene.simulator.journal(endpoint="payment_intents.cancel")) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_at_its_cancellation_ends_it_once(scene: Scene, rows: Rows, waiting: UUID, when: str) -> None:
    scene.advance(2 * DAY)
    scene.simulator.fault("server_error", when=when, endpoint="payment_intents.cancel")
    assert _expire(scene) == 1
    scene.resume()
    assert _payment(rows, waiting)["status"] == "CANCELED"
    assert sum(each["effect"] for each in scene.simulator.journal(endpoint="payment_intents.cancel")) == 1


def test_what_was_handed_out_and_lost_is_handed_out_again(scene: Scene, rows: Rows, waiting: UUID) -> None:
    scene.advance(2 * DAY)
    assert claim_follow_ups(scene.context, FollowUp.EXPIRED_ACTIONS) == [waiting]
    assert claim_follow_ups(scene.context, FollowUp.EXPIRED_ACTIONS) == []
    scene.advance(61)
    assert _expire(scene) == 1
    assert _payment(rows, waiting)["status"] == "CANCELED"


def test_a_customer_who_pays_at_the_last_moment_has_paid(scene: Scene, rows: Rows, waiting: UUID) -> None:
    scene.advance(2 * DAY)
    scene.simulator.post(f"payment_intents/{_payment(rows, waiting)['stripe_payment_intent_id']}/complete")
    assert _expire(scene) == 1
    payment = _payment(rows, waiting)
    assert (payment["status"], payment["cancellation_reason"]) == ("SUCCEEDED", None)
    # Nobody asked for a cancellation, so nobody is told that there was none.
    assert _published(rows) == {"PaymentRequested": 1, "PaymentActionRequired": 1, "PaymentSucceeded": 1}
    assert rows("SELECT 1 FROM rejected_request") == []


def test_a_cancellation_that_stripe_refuses_is_tried_again_a_day_later(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(payment_method=THREE_D_SECURE, customer_present=True, stripe_account="acct_one")
    scene.advance(2 * DAY)
    scene.simulator.post("accounts/disconnect", {"account": "acct_one"})
    assert _expire(scene) == 1
    scene.advance(DAY - 60)
    assert _expire(scene) == 0
    scene.simulator.post("accounts/connect", {"account": "acct_one"})
    scene.advance(120)
    assert _expire(scene) == 1
    assert _payment(rows, payment_id)["status"] == "CANCELED"


def test_it_waits_anew_once_it_is_tried_again(scene: Scene, rows: Rows, waiting: UUID) -> None:
    scene.advance(DAY // 2)
    scene.retry(waiting)
    assert _payment(rows, waiting)["status"] == "REQUIRES_ACTION"
    assert _published(rows)["PaymentActionRequired"] == 2
    retried = scene.simulator.journal(endpoint="payment_intents.confirm")[0]["params"]
    assert (retried["return_url"], "off_session" in retried) == (DONE, False)
    scene.advance(DAY - 60)
    assert _expire(scene) == 0


def test_whose_customer_was_there_is_never_tried_again_without_them(
    context: Context, scene: Scene, clock: Clock
) -> None:
    retries = replace(context.policy.retries, automatic=2, first_delay=timedelta(hours=1))
    policy = replace(context.policy, retries=retries)
    eager = Scene(replace(context, policy=policy), scene.simulator, clock)
    eager.charge(payment_method=POOR, customer_present=True)
    clock.advance(2 * DAY)
    assert claim_follow_ups(eager.context, FollowUp.RETRIES) == []


def test_a_confirmation_token_pays_in_the_place_of_a_payment_method(scene: Scene, rows: Rows) -> None:
    token = scene.at_stripe("/v1/test_helpers/confirmation_tokens", {"payment_method": POOR})["id"]
    payment_id = scene.charge(payment_method=None, confirmation_token=token, customer_present=True)
    assert _payment(rows, payment_id)["status"] == "FAILED"
    assert _payment(rows, payment_id)["payment_method"] is None
    assert scene.retry(payment_id).reason == "declined_for_good"
    assert scene.retry(payment_id, payment_method="pm_card_visa").status == "SUCCEEDED"


def test_silence_uses_a_confirmation_token_once(scene: Scene, rows: Rows) -> None:
    token = scene.at_stripe("/v1/test_helpers/confirmation_tokens", {"payment_method": "pm_card_visa"})["id"]
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.create")
    payment_id = scene.charge(payment_method=None, confirmation_token=token, customer_present=True)
    scene.resume()
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert sum(line["effects"] for line in scene.simulator.ledger()["payment_intents"]) == 1


@pytest.fixture
def reserving(scene: Scene) -> UUID:
    """A payment that is to be authorised only, and whose customer has to authenticate."""
    return scene.charge(
        payment_method=THREE_D_SECURE, customer_present=True, return_url=DONE, capture_method="manual"
    )


def _customer_authorizes(scene: Scene, rows: Rows, payment_id: UUID) -> None:
    scene.simulator.post(f"payment_intents/{_payment(rows, payment_id)['stripe_payment_intent_id']}/complete")
    scene.deliver(scene.events())
    assert _payment(rows, payment_id)["status"] == "AUTHORIZED"


def _must_stay_authorized(scene: Scene, rows: Rows, payment_id: UUID) -> None:
    scene.resume()
    scene.sweep(rounds=4)
    payment = _payment(rows, payment_id)
    assert (payment["status"], payment["cancellation_reason"]) == ("AUTHORIZED", None)
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert intent["status"] == "requires_capture"
    assert rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL") == []


def test_whose_cancellation_got_no_answer_keeps_what_the_customer_authorised_meanwhile(
    scene: Scene, rows: Rows, reserving: UUID
) -> None:
    scene.advance(2 * DAY)
    scene.simulator.fault("server_error", when="before", endpoint="payment_intents.cancel")
    assert _expire(scene) == 1
    _customer_authorizes(scene, rows, reserving)
    _must_stay_authorized(scene, rows, reserving)


def test_whose_cancellation_was_paused_keeps_what_the_customer_authorised_meanwhile(
    scene: Scene, rows: Rows, reserving: UUID
) -> None:
    database = scene.context.database
    pauses.pause(database, "cancel", reason="test", actor="test", now=scene.clock())
    obedient = replace(scene, context=replace(scene.context, pauses=pauses.Pauses(database)))
    scene.advance(2 * DAY)
    assert _expire(obedient) == 1
    _customer_authorizes(scene, rows, reserving)
    pauses.resume(database, (), actor="test", now=scene.clock())
    _must_stay_authorized(scene, rows, reserving)


def test_what_was_handed_out_before_it_was_tried_again_waits_anew(
    scene: Scene, rows: Rows, waiting: UUID
) -> None:
    scene.advance(DAY + 100)
    assert claim_follow_ups(scene.context, FollowUp.EXPIRED_ACTIONS) == [waiting]
    scene.retry(waiting)
    expire_action(scene.context, waiting)
    assert _payment(rows, waiting)["status"] == "REQUIRES_ACTION"
    scene.advance(DAY + 100)
    assert _expire(scene) == 1
    assert _payment(rows, waiting)["status"] == "CANCELED"
