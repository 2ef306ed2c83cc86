"""Money goes back as it was asked for, once each: in part, in parts, whole; never more than was taken."""

import pytest

from tests.acceptance.scene import Scene
from tests.harness.producer import a_charge, a_refund


@pytest.fixture(scope="module", autouse=True)
def orphan(scene: Scene) -> str:
    """A refund of a payment that never comes. It is waited for, so it is sent first and looked at last."""
    return scene.producer.refund(**a_refund(a_charge()["payment_id"]))


def test_a_partial_refund_leaves_the_rest(scene: Scene) -> None:
    payment_id = scene.paid()
    refund_id = scene.refund(payment_id, amount=2_500, reason="duplicate", note="one too many")
    refund = scene.refund_row(refund_id, "PROCESSED")
    assert (refund["amount"], refund["currency"], refund["reason"]) == (2_500, "EUR", "duplicate")
    assert refund["stripe_refund_id"].startswith("re_")
    assert scene.payment(payment_id, "SUCCEEDED")["amount_refunded"] == 2_500
    assert scene.history(refund_id) == ["REQUESTED", "PROCESSED"]


def test_several_refunds_take_parts_until_nothing_is_left(scene: Scene) -> None:
    payment_id = scene.paid()
    for amount in (2_500, 1, 4_999):
        scene.refund_row(scene.refund(payment_id, amount=amount), "PROCESSED")
    rest = scene.refund_row(scene.refund(payment_id), "PROCESSED")
    assert rest["amount"] == 2_500
    too_late = scene.refund_row(scene.refund(payment_id), "FAILED")
    assert too_late["failure_reason"] == "nothing_left_to_refund"
    assert scene.payment(payment_id, "SUCCEEDED")["amount_refunded"] == 10_000


def test_a_refund_without_an_amount_gives_everything_back(scene: Scene) -> None:
    payment_id = scene.paid(amount=1_234, currency="jpy")
    refund = scene.refund_row(scene.refund(payment_id), "PROCESSED")
    assert (refund["amount"], refund["currency"]) == (1_234, "JPY")


def test_a_refund_above_what_is_left_fails_and_stripe_is_not_asked(scene: Scene) -> None:
    payment_id = scene.paid()
    scene.refund_row(scene.refund(payment_id, amount=9_000), "PROCESSED")
    refund_id = scene.refund(payment_id, amount=1_001)
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "amount_exceeds_refundable"
    assert scene.posts(refund_id) == []
    assert scene.payment(payment_id, "SUCCEEDED")["amount_refunded"] == 9_000


def test_a_refund_of_a_failed_payment_fails_and_stripe_is_not_asked(scene: Scene) -> None:
    payment_id = scene.charge(payment_method="pm_card_visa_chargeDeclined")
    scene.payment(payment_id, "FAILED")
    refund_id = scene.refund(payment_id, amount=100)
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "payment_failed"
    assert scene.posts(refund_id) == []


def test_a_refund_that_overtakes_its_charge_waits_for_it(scene: Scene) -> None:
    charge = a_charge()
    refund_id = scene.refund(charge["payment_id"], amount=700)
    # It has been looked at, and found too early.
    scene.wait_for_event("task-retried", "payment_worker.refund", charge["payment_id"])
    scene.producer.charge(**charge)
    scene.refund_row(refund_id, "PROCESSED")
    assert scene.payment(charge["payment_id"], "SUCCEEDED")["amount_refunded"] == 700


def test_a_refund_waits_while_its_charge_is_unknown(scene: Scene) -> None:
    charge = a_charge()
    silence = scene.fault("hang", charge=charge["payment_id"], times=None)
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "REQUESTED")
    refund_id = scene.refund(charge["payment_id"], amount=700)
    waiting = scene.refund_row(refund_id, "REQUESTED")
    assert waiting["stripe_refund_id"] is None
    scene.simulator.delete(f"faults/{silence}")
    scene.refund_row(refund_id, "PROCESSED")
    assert scene.history(charge["payment_id"]) == ["REQUESTED", "SUCCEEDED"]
    assert scene.history(refund_id) == ["REQUESTED", "PROCESSED"]


def test_a_waiting_refund_fails_when_its_charge_does(scene: Scene) -> None:
    charge = a_charge(payment_method="pm_card_visa_chargeDeclinedLostCard")
    silence = scene.fault("reset", charge=charge["payment_id"], times=None)
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "REQUESTED")
    refund_id = scene.refund(charge["payment_id"])
    scene.refund_row(refund_id, "REQUESTED")
    scene.simulator.delete(f"faults/{silence}")
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "payment_failed"
    assert scene.posts(refund_id) == []


def test_a_refund_whose_answer_is_lost_is_made_once(scene: Scene) -> None:
    refund = a_refund(scene.paid(), amount=4_000)
    scene.fault("reset", refund=refund["refund_id"], when="after", times=2)
    scene.producer.refund(**refund)
    scene.refund_row(refund["refund_id"], "PROCESSED")
    posts = scene.posts(refund["refund_id"])
    assert len(posts) > 1
    assert len({post["key"] for post in posts}) == 1


def test_a_refund_that_the_bank_takes_time_for_is_pending(scene: Scene) -> None:
    scene.simulator.post("settings", {"pending_refund_delay_seconds": 3600})
    refund_id = scene.refund(scene.paid(payment_method="pm_card_pendingRefund"), amount=400)
    scene.refund_row(refund_id, "PENDING")


def test_a_refund_of_a_payment_that_never_comes_is_refused_and_kept(scene: Scene, orphan: str) -> None:
    kept = scene.rows.wait_for("SELECT * FROM rejected_request WHERE request_id = %s", orphan, seconds=30)
    assert kept["task"] == "payment_worker.refund"
    assert [error["field"] for error in kept["errors"]] == ["payment_id"]


def test_the_books_agree_after_all_of_these(scene: Scene) -> None:
    scene.books.must_agree()
