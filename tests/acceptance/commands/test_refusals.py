"""A request that cannot be right is refused with every fault named, and kept; Stripe never hears of it."""

from collections.abc import Mapping

import pytest

from tests.acceptance.scene import Json, Scene
from tests.harness.producer import a_charge, a_refund

CARD = "4242 4242 4242 4242"
Fault = tuple[Json, dict[str, str | None]]
CHARGES: Mapping[str, Fault] = {
    "a missing amount": ({"amount": None}, {"amount": "missing"}),
    "a missing payment_id": ({"payment_id": None}, {"payment_id": "missing"}),
    "two missing": ({"order_id": None, "currency": None}, {"order_id": "missing", "currency": "missing"}),
    "an unknown argument": ({"ammount": 5}, {"ammount": "unknown"}),
    "an amount in a string": ({"amount": "10000"}, {"amount": "not_an_integer"}),
    "an amount in fractions": ({"amount": 99.5}, {"amount": "not_an_integer"}),
    "a truth as amount": ({"amount": True}, {"amount": "not_an_integer"}),
    "a negative amount": ({"amount": -1}, {"amount": None}),
    "an amount of nothing": ({"amount": 0}, {"amount": None}),
    "an amount too large": ({"amount": 10**15}, {"amount": None}),
    "an amount beyond 64 bits": ({"amount": 10**30}, {"amount": None}),
    "an unknown currency": ({"currency": "XXQ"}, {"currency": "unknown_currency"}),
    "a payment_id that is none": ({"payment_id": "order-17"}, {"payment_id": "not_a_uuid"}),
    "a card number in the description": ({"description": f"card {CARD}"}, {"description": "card_number"}),
    "a card number in the metadata": ({"metadata": {"note": CARD}}, {"metadata": "card_number"}),
    "a card number as payment method": (
        {"payment_method": "pm_4242424242424242"},
        {"payment_method": "card_number"},
    ),
    "an unknown capture method": ({"capture_method": "later"}, {"capture_method": "not_a_choice"}),
}
REFUNDS: Mapping[str, Fault] = {
    "a negative amount": ({"amount": -1}, {"amount": None}),
    "an amount of nothing": ({"amount": 0}, {"amount": None}),
    "an unknown reason": ({"reason": "regret"}, {"reason": "not_a_choice"}),
    "a card number in the note": ({"note": f"back to {CARD}"}, {"note": "card_number"}),
    "an unknown argument": ({"currency": "EUR"}, {"currency": "unknown"}),
}


@pytest.mark.parametrize("fault", CHARGES)
def test_a_charge_is_refused_and_kept_for(scene: Scene, fault: str) -> None:
    changes, named = CHARGES[fault]
    _is_refused(scene, "payment_worker.charge", scene.producer.charge(**a_charge(**changes)), named)


@pytest.mark.parametrize("fault", REFUNDS)
def test_a_refund_is_refused_and_kept_for(scene: Scene, fault: str) -> None:
    changes, named = REFUNDS[fault]
    payment_id = a_charge()["payment_id"]
    _is_refused(
        scene, "payment_worker.refund", scene.producer.refund(**a_refund(payment_id, **changes)), named
    )


@pytest.mark.parametrize("signature", ["t=1,v1=00", "t=1,v1=é"])
def test_an_event_that_stripe_did_not_sign_is_refused_and_kept(scene: Scene, signature: str) -> None:
    sent = scene.producer.receive_stripe_event(payload='{"id": "evt_1"}', signature=signature)
    _is_refused(scene, "payment_worker.receive_stripe_event", sent, {"signature": "bad_signature"})
    assert scene.rows("SELECT * FROM stripe_event") == []


def test_positional_arguments_are_refused(scene: Scene) -> None:
    sent = scene.producer.app.send_task("payment_worker.charge", args=[100, "EUR"], queue="charges")
    kept = scene.rows.wait_for("SELECT * FROM rejected_request WHERE request_id = %s", sent.id)
    assert "arguments" in {error["field"] for error in kept["errors"]}


def _is_refused(scene: Scene, task: str, sent: str, named: dict[str, str | None]) -> None:
    scene.witness.wait_for_end([sent])
    kept = scene.rows.one("SELECT * FROM rejected_request WHERE request_id = %s", sent)
    assert kept["task"] == task
    codes = {error["field"].split(".")[0]: error["code"] for error in kept["errors"]}
    assert codes.keys() == named.keys()
    assert all(code in {None, codes[field]} for field, code in named.items())
    assert "4242424242424242" not in str(kept).replace(" ", "")
    (failure,) = scene.witness.events(sent, "task-failed", "task-retried")
    assert all(field in failure["exception"] for field in named)
    assert "4242" not in failure["exception"]


def test_none_of_them_reached_stripe_or_became_a_row(scene: Scene) -> None:
    assert len(scene.rows("SELECT * FROM rejected_request")) >= len(CHARGES) + len(REFUNDS)
    assert scene.rows("SELECT * FROM payment") == []
    assert scene.rows("SELECT * FROM refund") == []
    assert scene.simulator.journal() == []
    scene.books.must_agree()
