"""The caller's id is the key of its request: the same again changes nothing, and something else is a conflict."""

from tests.acceptance.scene import Json, Scene
from tests.harness.producer import a_charge, a_refund


def _written(scene: Scene) -> list[object]:
    """Everything that a request could change."""
    tables = ("payment", "refund", "payment_history")
    return [scene.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608 three names


def test_a_charge_sent_again_is_a_no_op(scene: Scene) -> None:
    charge = a_charge()
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "SUCCEEDED")
    before = _written(scene)
    # Spelled otherwise, it means the same.
    same = {**charge, "currency": "eur", "capture_method": "automatic", "metadata": {}}
    scene.witness.wait_for_end([scene.producer.charge(**charge), scene.producer.charge(**same)])
    assert _written(scene) == before
    assert len(scene.posts(charge["payment_id"])) == 1


def test_a_refund_sent_again_is_a_no_op(scene: Scene) -> None:
    refund = a_refund(scene.paid(), amount=100)
    scene.producer.refund(**refund)
    scene.refund_row(refund["refund_id"], "PROCESSED")
    before = _written(scene)
    scene.witness.wait_for_end([scene.producer.refund(**refund) for _ in range(3)])
    assert _written(scene) == before
    assert len(scene.posts(refund["refund_id"])) == 1


def test_a_declined_charge_sent_again_is_not_tried_again(scene: Scene) -> None:
    charge = a_charge(payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")
    scene.producer.charge(**charge)
    row = scene.payment(charge["payment_id"], "FAILED")
    assert (row["failure_reason"], row["decline_code"]) == ("INSUFFICIENT_FUNDS", "insufficient_funds")
    scene.witness.wait_for_end([scene.producer.charge(**charge)])
    assert len(scene.posts(charge["payment_id"])) == 1


def test_a_charge_with_other_arguments_is_a_recorded_conflict(scene: Scene) -> None:
    charge = a_charge()
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "SUCCEEDED")
    before = _written(scene)
    others: list[Json] = [{"amount": 10_001}, {"currency": "USD"}, {"payment_method": "pm_card_mastercard"}]
    sent = [scene.producer.charge(**{**charge, **other}) for other in others]
    scene.witness.wait_for_end(sent)
    _kept_as_conflicts(scene, sent, field="payment_id")
    assert _written(scene) == before
    assert len(scene.posts(charge["payment_id"])) == 1


def test_a_refund_with_other_arguments_is_a_recorded_conflict(scene: Scene) -> None:
    payment_id, another = scene.paid(), scene.paid()
    refund = a_refund(payment_id, amount=100)
    scene.producer.refund(**refund)
    scene.refund_row(refund["refund_id"], "PROCESSED")
    before = _written(scene)
    sent = [
        scene.producer.refund(**{**refund, "amount": 101}),
        scene.producer.refund(refund_id=refund["refund_id"], payment_id=payment_id),
        scene.producer.refund(**{**refund, "payment_id": another}),
    ]
    scene.witness.wait_for_end(sent)
    _kept_as_conflicts(scene, sent, field="refund_id")
    assert _written(scene) == before


def test_a_conflict_is_refused_while_the_first_request_is_still_unknown(scene: Scene) -> None:
    charge = a_charge()
    silence = scene.fault("hang", charge=charge["payment_id"], times=None)
    scene.producer.charge(**charge)
    scene.payment(charge["payment_id"], "REQUESTED")
    sent = [scene.producer.charge(**{**charge, "amount": 9_999})]
    scene.witness.wait_for_end(sent)
    _kept_as_conflicts(scene, sent, field="payment_id")
    scene.simulator.delete(f"faults/{silence}")
    assert scene.payment(charge["payment_id"], "SUCCEEDED")["amount_captured"] == 10_000


def test_many_at_once_make_one_payment(scene: Scene) -> None:
    charge = a_charge()
    scene.witness.wait_for_end([scene.producer.charge(**charge) for _ in range(20)])
    scene.payment(charge["payment_id"], "SUCCEEDED")
    assert len(scene.posts(charge["payment_id"])) == 1


def test_the_books_agree_after_all_of_these(scene: Scene) -> None:
    scene.books.must_agree()


def _kept_as_conflicts(scene: Scene, sent: list[str], *, field: str) -> None:
    for request_id in sent:
        kept = scene.rows.one("SELECT * FROM rejected_request WHERE request_id = %s", request_id)
        assert [(error["field"], error["code"]) for error in kept["errors"]] == [(field, "conflict")]
    assert scene.witness.counts(sent)["task-retried"] == 0
