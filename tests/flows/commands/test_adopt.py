"""A PaymentIntent that another program made, such as Checkout, becomes a payment of ours, once, and works like one."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.contracts.requests import AdoptRequest, parse
from payment_worker.domain.adoption import AdoptionRejection
from payment_worker.flows.commands.adopt import (
    RejectAdoption,
    StripeAway,
    adopt,
    continue_adoption,
)
from payment_worker.flows.commands.expire_action import expire_action
from payment_worker.flows.maintenance.sweep import FollowUp, claim_follow_ups
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.flows.result import CommandResult, Conflict
from tests.flows.scene import Scene
from tests.harness.rows import Rows

FIELDS = {"amount": "5000", "currency": "eur", "metadata[cart]": "7", "description": "two books"}
PAID = {**FIELDS, "payment_method": "pm_card_visa", "confirm": "true", "off_session": "true"}


def _made(scene: Scene, fields: dict[str, str]) -> str:
    return str(scene.at_stripe("/v1/payment_intents", fields)["id"])


def _request(intent: str, **changes: object) -> AdoptRequest:
    asked = {"payment_id": str(uuid4()), "order_id": "order 7", "payment_intent": intent, **changes}
    return parse(AdoptRequest, asked)


def _adopted(scene: Scene, intent: str, **changes: object) -> UUID:
    request = _request(intent, **changes)
    assert isinstance(adopt(scene.context, request), CommandResult)
    return request.payment_id


def _payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _published(rows: Rows) -> Counter[str]:
    return Counter(row["type"] for row in rows("SELECT type FROM outbox"))


def _findings(scene: Scene, rows: Rows) -> list[tuple[str, str]]:
    scene.advance(7200)
    now = scene.clock()
    assert reconcile(scene.context, since=now - timedelta(days=1), until=now, on_page=lambda _: True)
    found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY finding_id")
    return [(row["kind"], row["status"]) for row in found]


def test_what_is_paid_is_a_payment_that_succeeded(scene: Scene, rows: Rows) -> None:
    intent = _made(scene, PAID)
    payment_id = _adopted(scene, intent, customer_id="42")
    payment = _payment(rows, payment_id)
    assert (payment["status"], payment["amount_captured"], payment["currency"]) == ("SUCCEEDED", 5000, "EUR")
    assert (payment["order_id"], payment["customer_id"]) == ("order 7", "42")
    assert (payment["metadata"], payment["description"]) == ({"cart": "7"}, "two books")
    assert payment["stripe_payment_intent_id"] == intent
    assert _published(rows) == {"PaymentRequested": 1, "PaymentSucceeded": 1}
    scene.deliver(scene.events())
    assert scene.refund(payment_id, amount=1000).status == "PROCESSED"
    assert scene.refund(payment_id).status == "PROCESSED"
    assert scene.simulator.ledger()["payment_intents"][0]["refunded"] == 5000
    assert _findings(scene, rows) == []


def test_what_its_customer_is_yet_to_pay_is_waited_for(scene: Scene, rows: Rows) -> None:
    intent = _made(scene, FIELDS)
    payment_id = _adopted(scene, intent)
    assert _payment(rows, payment_id)["status"] == "REQUIRES_ACTION"
    assert _findings(scene, rows) == []
    scene.confirm_on_session(intent, "pm_card_visa")
    scene.deliver(scene.events())
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"
    assert _published(rows) == {"PaymentRequested": 1, "PaymentActionRequired": 1, "PaymentSucceeded": 1}


def test_what_its_customer_never_pays_is_canceled(scene: Scene, rows: Rows) -> None:
    payment_id = _adopted(scene, _made(scene, FIELDS))
    scene.advance(2 * 86_400)
    assert claim_follow_ups(scene.context, FollowUp.EXPIRED_ACTIONS) == [payment_id]
    expire_action(scene.context, payment_id)
    assert _payment(rows, payment_id)["status"] == "CANCELED"
    assert scene.simulator.ledger()["payment_intents"][0]["status"] == "canceled"


def test_what_is_held_is_captured_or_canceled(scene: Scene, rows: Rows) -> None:
    captured, canceled = (
        _adopted(scene, _made(scene, {**PAID, "capture_method": "manual"})) for _ in range(2)
    )
    assert scene.capture(captured, amount=3000).status == "SUCCEEDED"
    assert scene.cancel(canceled).status == "CANCELED"
    assert _payment(rows, captured)["amount_captured"] == 3000
    assert _findings(scene, rows) == []


def test_what_was_refunded_and_disputed_before_is_known(scene: Scene, rows: Rows) -> None:
    intent = _made(scene, PAID)
    scene.at_stripe("/v1/refunds", {"payment_intent": intent, "amount": "1000"})
    scene.simulator.post("early_fraud_warnings", {"payment_intent": intent})
    scene.simulator.post("disputes", {"payment_intent": intent})
    scene.deliver(scene.events())  # of nobody's payment yet
    payment = _payment(rows, _adopted(scene, intent))
    assert (payment["amount_refunded"], payment["amount_refund_reserved"], payment["is_disputed"]) == (
        1000,
        1000,
        True,
    )
    assert _published(rows)["PaymentSuspected"] == 1
    assert _findings(scene, rows) == []


def test_what_was_before_is_read_though_nobody_asks_again(scene: Scene, rows: Rows) -> None:
    # As after a worker that died right after the payment's row was there, and a Redis that forgot its message.
    intent = _made(scene, PAID)
    scene.at_stripe("/v1/refunds", {"payment_intent": intent, "amount": "1000"})
    scene.simulator.post("early_fraud_warnings", {"payment_intent": intent})
    scene.simulator.post("disputes", {"payment_intent": intent})
    scene.deliver(scene.events())
    request = _request(intent)
    silence = scene.simulator.fault("unavailable", endpoint="refunds.list", times=None)
    assert adopt(scene.context, request) == StripeAway()
    assert claim_follow_ups(scene.context, FollowUp.ADOPTIONS) == []  # its worker may be at it still
    scene.advance(300)
    assert claim_follow_ups(scene.context, FollowUp.ADOPTIONS) == [request.payment_id]
    assert claim_follow_ups(scene.context, FollowUp.ADOPTIONS) == []  # no other sweep gets it
    assert continue_adoption(scene.context, request.payment_id) == StripeAway()
    scene.simulator.delete(f"faults/{silence}")
    scene.advance(300)
    assert claim_follow_ups(scene.context, FollowUp.ADOPTIONS) == [request.payment_id]
    assert isinstance(continue_adoption(scene.context, request.payment_id), CommandResult)
    payment = _payment(rows, request.payment_id)
    assert (payment["amount_refunded"], payment["is_disputed"]) == (1000, True)
    assert _published(rows)["PaymentSuspected"] == 1
    scene.advance(300)
    assert claim_follow_ups(scene.context, FollowUp.ADOPTIONS) == []


def test_the_same_request_again_changes_nothing(scene: Scene, rows: Rows) -> None:
    request = _request(_made(scene, PAID))
    first, second = adopt(scene.context, request), adopt(scene.context, request)
    assert first == second
    assert len(rows("SELECT 1 FROM payment_history")) == 2
    other = _request(request.payment_intent, payment_id=str(request.payment_id), order_id="order 8")
    assert adopt(scene.context, other) == Conflict("payment_id")


def test_a_status_that_changed_before_the_message_came_again_is_applied(scene: Scene, rows: Rows) -> None:
    # A worker that was killed right after noting it leaves a payment that waits, and the message comes again.
    intent = _made(scene, {**PAID, "payment_method": "pm_card_processing"})
    request = _request(intent)
    adopt(scene.context, request)
    assert _payment(rows, request.payment_id)["status"] == "PROCESSING"
    scene.simulator.advance(60)
    adopt(scene.context, request)
    assert _payment(rows, request.payment_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("endpoint", ["payment_intents.retrieve", "refunds.list"])
def test_while_stripe_is_silent_it_is_left_for_later(scene: Scene, rows: Rows, endpoint: str) -> None:
    request = _request(_made(scene, PAID))
    silence = scene.simulator.fault("unavailable", endpoint=endpoint, times=None)
    assert adopt(scene.context, request) == StripeAway()
    scene.simulator.delete(f"faults/{silence}")
    assert isinstance(adopt(scene.context, request), CommandResult)
    assert _published(rows) == {"PaymentRequested": 1, "PaymentSucceeded": 1}


def test_it_is_found_on_its_account_alone(scene: Scene, rows: Rows) -> None:
    made = scene.simulator.post(
        "payment_intents", {"account": "acct_one", "amount": 5000, "currency": "eur"}
    )["id"]
    assert adopt(scene.context, _request(made)) == RejectAdoption(AdoptionRejection.NO_SUCH_PAYMENT_INTENT)
    payment = _payment(rows, _adopted(scene, made, stripe_account="acct_one"))
    assert (payment["status"], payment["stripe_account"]) == ("SUCCEEDED", "acct_one")


def test_another_payments_is_not_adopted(scene: Scene, rows: Rows) -> None:
    refused = RejectAdoption(AdoptionRejection.OTHER_PAYMENT)
    charged = _payment(rows, scene.charge())["stripe_payment_intent_id"]
    assert adopt(scene.context, _request(charged)) == refused
    named = _made(scene, {**PAID, "metadata[payment_id]": str(uuid4())})
    assert adopt(scene.context, _request(named)) == refused
    taken = _made(scene, PAID)
    _adopted(scene, taken)
    assert adopt(scene.context, _request(taken)) == refused
    own = uuid4()
    numbered = _made(scene, {**PAID, "metadata[payment_id]": str(own)})
    assert _adopted(scene, numbered, payment_id=str(own)) == own


OF_OURS = {"payment_id": "", "order_id": "", "payment_worker_mac": ""}


def test_what_an_unanswered_attempt_made_is_not_adopted_when_its_metadata_were_cleared(
    scene: Scene, rows: Rows
) -> None:
    charged = scene.charge_unanswered()
    (made,) = [each["id"] for each in scene.simulator.ledger()["payment_intents"]]
    scene.edit(f"payment_intents/{made}", OF_OURS)
    assert adopt(scene.context, _request(made)) == RejectAdoption(AdoptionRejection.OTHER_PAYMENT)
    scene.resume()
    payment = _payment(rows, charged)
    assert (payment["status"], payment["stripe_payment_intent_id"]) == ("SUCCEEDED", made)


def test_an_attempt_whose_payment_intent_was_adopted_before_its_event_came_leaves_it_to_a_person(
    scene: Scene, rows: Rows
) -> None:
    scene.simulator.post("settings", {"event_lag_seconds": 600})
    charged = scene.charge_unanswered()
    (made,) = [each["id"] for each in scene.simulator.ledger()["payment_intents"]]
    scene.edit(f"payment_intents/{made}", OF_OURS)
    adopted = _adopted(scene, made)
    scene.sweep(rounds=12)
    assert _payment(rows, charged)["status"] == "REQUESTED"
    assert _payment(rows, adopted)["status"] == "SUCCEEDED"
    (finding,) = rows("SELECT kind, object_id, payment_id FROM reconciliation_finding")
    assert finding == {"kind": "second_payment_intent", "object_id": made, "payment_id": str(charged)}


def test_what_cannot_be_a_payment_of_ours_is_rejected(scene: Scene, rows: Rows) -> None:
    live = scene.simulator.post("payment_intents", {"amount": 5000, "currency": "eur"})["id"]
    scene.simulator.post(f"objects/{live}", {"fields": {"livemode": True}})
    assert adopt(scene.context, _request(live)) == RejectAdoption(AdoptionRejection.OTHER_MODE)
    strange = _made(scene, FIELDS)
    scene.simulator.post(f"objects/{strange}", {"fields": {"currency": "xts"}})
    assert adopt(scene.context, _request(strange)) == RejectAdoption(AdoptionRejection.UNKNOWN_CURRENCY)
    odd = _made(scene, FIELDS)
    scene.simulator.post(f"objects/{odd}", {"fields": {"status": "thinking"}})
    assert adopt(scene.context, _request(odd)) == RejectAdoption(AdoptionRejection.UNREADABLE)
    assert rows("SELECT 1 FROM payment") == []
