"""What a platform keeps and transfers of a payment is moved once, whatever happens, and taken back by its refund."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.contracts.requests import ChargeRequest, RefundRequest, parse
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.commands.refund import refund
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.flows.result import Conflict
from tests.flows.scene import Scene
from tests.harness.rows import Rows

SELLER = "acct_seller"
SPLIT: dict[str, object] = {
    "application_fee_amount": 500,
    "on_behalf_of": SELLER,
    "transfer_data": {"destination": SELLER},
    "transfer_group": "order 7",
}
POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"


def _payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _line(scene: Scene, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401
    (line,) = scene.simulator.ledger(**wanted)["payment_intents"]
    return dict(line)


def _findings(rows: Rows) -> list[tuple[str, str]]:
    found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY finding_id")
    return [(row["kind"], row["status"]) for row in found]


def _reconcile(scene: Scene) -> None:
    scene.advance(7200)
    now = scene.clock()
    assert reconcile(scene.context, since=now - timedelta(days=1), until=now, on_page=lambda _: True)


def test_the_fee_and_the_transfer_are_made_and_kept(scene: Scene, rows: Rows) -> None:
    payment = _payment(rows, scene.charge(**SPLIT))
    assert (payment["status"], payment["application_fee_amount"]) == ("SUCCEEDED", 500)
    assert (payment["transfer_destination"], payment["transfer_amount"]) == (SELLER, None)
    assert (_line(scene)["application_fee"], _line(scene)["transferred"]) == (500, 5000)


def test_a_direct_charge_pays_the_platform_its_fee(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(stripe_account=SELLER, application_fee_amount=500)
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert _line(scene, account=SELLER)["application_fee"] == 500
    assert scene.refund(payment_id, amount=1000, refund_application_fee=True).status == "PROCESSED"
    assert _line(scene, account=SELLER)["application_fee"] == 400


@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_splits_nothing_twice(scene: Scene, rows: Rows, when: str) -> None:
    scene.simulator.fault("server_error", when=when, endpoint="payment_intents.create")
    payment_id = scene.charge(**SPLIT)
    scene.resume()
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    lines = scene.simulator.ledger()["payment_intents"]
    assert sum(line["transferred"] for line in lines) == 5000
    assert sum(line["application_fee"] for line in lines) == 500


def test_they_survive_a_partial_capture_and_another_try(scene: Scene, rows: Rows) -> None:
    held = scene.charge(capture_method="manual", **SPLIT)
    assert scene.capture(held, amount=400).status == "SUCCEEDED"
    assert (_line(scene)["application_fee"], _line(scene)["transferred"]) == (400, 400)
    scene.simulator.reset()
    declined = scene.charge(payment_method=POOR, **SPLIT)
    assert scene.retry(declined, payment_method="pm_card_visa").status == "SUCCEEDED"
    assert (_line(scene)["application_fee"], _line(scene)["transferred"]) == (500, 5000)
    assert _findings(rows) == []


def test_a_cancellation_leaves_nothing_with_anybody(scene: Scene) -> None:
    assert scene.cancel(scene.charge(capture_method="manual", **SPLIT)).status == "CANCELED"
    assert (_line(scene)["application_fee"], _line(scene)["transferred"]) == (0, 0)


@pytest.mark.parametrize("when", [None, "before", "after"])
def test_a_refund_takes_back_its_share_once(scene: Scene, rows: Rows, when: str | None) -> None:
    payment_id = scene.charge(**SPLIT)
    if when:
        scene.simulator.fault("server_error", when=when, endpoint="refunds.create")
    scene.refund(payment_id, amount=1000, reverse_transfer=True, refund_application_fee=True)
    scene.resume()
    scene.deliver(scene.events())
    _reconcile(scene)
    assert (_line(scene)["application_fee"], _line(scene)["transferred"]) == (400, 4000)
    row = rows.one("SELECT * FROM refund")
    assert (row["status"], row["reverse_transfer"], row["refund_application_fee"]) == (
        "PROCESSED",
        True,
        True,
    )
    assert _findings(rows) == []


def test_a_refund_that_waits_for_its_payment_keeps_what_it_takes_back(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    scene.refund(payment_id, reverse_transfer=True)
    assert rows.one("SELECT reverse_transfer FROM refund")["reverse_transfer"]


def test_what_stripe_does_not_allow_is_its_refusal(scene: Scene, rows: Rows) -> None:
    assert _payment(rows, scene.charge(application_fee_amount=500))["status"] == "FAILED"
    assert scene.refund(scene.charge(), reverse_transfer=True).status == "FAILED"
    assert rows.one("SELECT amount_refund_reserved FROM payment WHERE status = 'SUCCEEDED'") == {
        "amount_refund_reserved": 0
    }


@pytest.mark.parametrize(
    "other",
    [
        {"application_fee_amount": 501},
        {"on_behalf_of": None},
        {"transfer_data": {"destination": "acct_other"}},
        {"transfer_group": "order 8"},
        {"receipt_email": "a@example.com"},
    ],
)
def test_another_split_under_the_same_id_is_a_conflict(
    scene: Scene, rows: Rows, other: dict[str, object]
) -> None:
    asked: dict[str, object] = {
        "payment_id": str(uuid4()),
        "order_id": "7",
        "amount": 5000,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        **SPLIT,
    }
    charge(scene.context, parse(ChargeRequest, asked))
    assert charge(scene.context, parse(ChargeRequest, {**asked, **other})) == Conflict("payment_id")
    given = {"refund_id": str(uuid4()), "payment_id": asked["payment_id"], "amount": 100}
    refund(scene.context, parse(RefundRequest, given))
    again = parse(RefundRequest, {**given, "reverse_transfer": True})
    assert refund(scene.context, again) == Conflict("refund_id")
    assert len(rows("SELECT 1 FROM payment_attempt")) == 2


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"application_fee_amount": 900}, "payment_fee_differs"),
        ({"transfer_data": {"destination": "acct_thief", "amount": None}}, "payment_transfer_differs"),
    ],
)
def test_another_split_at_stripe_is_a_finding(
    scene: Scene, rows: Rows, fields: dict[str, object], kind: str
) -> None:
    payment_id = scene.charge(payment_method="pm_card_processing", **SPLIT)
    intent = _payment(rows, payment_id)["stripe_payment_intent_id"]
    scene.simulator.post(f"objects/{intent}", {"fields": fields})
    scene.simulator.advance(60)
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert _findings(rows) == [(kind, "OPEN")]
    _reconcile(scene)
    assert _findings(rows) == [(kind, "OPEN")]
    scene.simulator.post(
        f"objects/{intent}",
        {"fields": {"application_fee_amount": 500, "transfer_data": {"destination": SELLER, "amount": None}}},
    )
    _reconcile(scene)
    assert _findings(rows) == [(kind, "CLOSED")]


def test_a_transfer_that_was_not_reversed_is_a_finding(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(**SPLIT)
    scene.refund(payment_id, reverse_transfer=True)
    refund_id = rows.one("SELECT stripe_refund_id FROM refund")["stripe_refund_id"]
    scene.simulator.post(f"objects/{refund_id}", {"fields": {"transfer_reversal": None}})
    _reconcile(scene)
    assert _findings(rows) == [("refund_not_reversed", "OPEN")]


def test_what_is_to_be_kept_for_later_is_not_sent_as_away(scene: Scene) -> None:
    scene.charge(off_session=False, setup_future_usage="off_session", receipt_email="a@example.com")
    (sent,) = [each["params"] for each in scene.simulator.journal()]
    assert "off_session" not in sent
    assert (sent["setup_future_usage"], sent["receipt_email"]) == ("off_session", "a@example.com")
