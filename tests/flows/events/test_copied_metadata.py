"""A copy of our metadata, MAC included, is not ours: what an unanswered attempt made, its idempotency key tells.

The stranger may write to the Stripe account, and is quick: the copy is there, and its event is first, while the
attempt whose metadata it carries has no answer yet.
"""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.gateway.webhook import Event
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene
from tests.harness.rows import Rows

PAID = {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"}
PAGE = 100

PAYMENT = "SELECT status, stripe_payment_intent_id AS id FROM payment"
REFUNDS = "SELECT status, amount, stripe_refund_id AS id FROM refund"


def copied(scene: Scene, payment_id: UUID, **changes: object) -> str:
    """A paid PaymentIntent that shows what ours shows, and carries its metadata."""
    asked = {**PAID, **changes, "metadata": scene.metadata_of(payment_id)}
    return str(scene.simulator.post("payment_intents", asked)["id"])


def events_of(scene: Scene, object_id: str) -> list[Event]:
    return [each for each in scene.events() if each.object_id == object_id]


def findings(rows: Rows) -> dict[str, str]:
    found = rows("SELECT object_id, kind FROM reconciliation_finding WHERE status = 'OPEN'")
    return {row["object_id"]: row["kind"] for row in found}


def made_by_us(scene: Scene) -> list[str]:
    """What the journal says that our own requests made."""
    return [str(each["object"]) for each in scene.simulator.journal() if each["effect"]]


def test_a_copy_whose_event_comes_first_waits_for_the_attempt_and_is_a_second_one(
    scene: Scene, rows: Rows
) -> None:
    payment_id = scene.charge_unanswered()
    copy = copied(scene, payment_id)
    (told,) = [each for each in events_of(scene, copy) if each.type == "payment_intent.succeeded"]
    assert scene.deliver([told]) == [EventStatus.RECEIVED]
    assert rows.one(PAYMENT) == {"status": "REQUESTED", "id": None}
    scene.resume()
    (row,) = rows(PAYMENT)
    assert row["status"] == "SUCCEEDED"
    assert row["id"] != copy
    scene.process_waiting()
    assert findings(rows) == {copy: "second_payment_intent"}


@pytest.mark.parametrize("type_", ["payment_intent.succeeded", "charge.succeeded"])
def test_an_event_of_our_key_shows_what_the_attempt_made(scene: Scene, rows: Rows, type_: str) -> None:
    payment_id = scene.charge_unanswered()
    copy = copied(scene, payment_id)
    (ours,) = [each["id"] for each in scene.simulator.ledger()["payment_intents"] if each["id"] != copy]
    told = [each for each in scene.events(types=[type_]) if ours in str(each.payload)]
    assert scene.deliver(told) == [EventStatus.PROCESSED]
    assert rows.one(PAYMENT) == {"status": "SUCCEEDED", "id": ours}


def test_what_our_key_made_stays_ours_when_another_app_confirms_it_while_it_is_unanswered(
    scene: Scene, rows: Rows
) -> None:
    payment_id = scene.charge_unanswered(when="before")
    ours = str(scene.as_by_attempt(payment_id, {"amount": "5000", "currency": "eur"})["id"])
    scene.confirm_on_session(ours, "pm_card_visa")
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    scene.resume()
    assert rows.one(PAYMENT) == {"status": "SUCCEEDED", "id": ours}
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert findings(rows) == {}


@pytest.mark.parametrize("between", [0, PAGE, 2 * PAGE])
def test_a_lookup_is_decided_by_the_key_on_whatever_page_the_copy_is(
    scene: Scene, rows: Rows, between: int
) -> None:
    payment_id = scene.charge_unanswered()
    for _ in range(between):
        scene.simulator.post("payment_intents", PAID)
    copy = copied(scene, payment_id)
    scene.resume()
    (row,) = rows(PAYMENT)
    assert row["status"] == "SUCCEEDED"
    assert row["id"] != copy


def test_a_copy_is_not_the_answer_of_a_request_that_made_nothing(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered(when="before")
    copy = copied(scene, payment_id)
    scene.deliver(events_of(scene, copy))
    scene.resume()
    (row,) = rows(PAYMENT)
    assert row["status"] == "SUCCEEDED"
    assert made_by_us(scene) == [row["id"]]
    assert copy != row["id"]
    assert copy in findings(rows)


@pytest.mark.parametrize("how", ["event", "reconciliation"])
def test_a_copy_does_not_pay_for_what_stripe_refused(scene: Scene, rows: Rows, how: str) -> None:
    payment_id = scene.charge(payment_method="pm_no_such_method")
    assert rows.one(PAYMENT) == {"status": "FAILED", "id": None}
    copy = copied(scene, payment_id)
    if how == "event":
        scene.deliver(events_of(scene, copy))
    else:
        since = scene.context.clock() - timedelta(days=1)
        assert reconcile(scene.context, since=since, until=None, on_page=lambda _: True)
    assert rows.one(PAYMENT) == {"status": "FAILED", "id": None}
    assert findings(rows) == {copy: "unverified_metadata"}
    assert rows("SELECT * FROM outbox WHERE type = 'PaymentSucceeded'") == []


DISPUTED = ("charge.dispute.created", "charge.dispute.funds_withdrawn")


def test_a_dispute_about_a_copy_is_none_about_our_payment(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    copy = copied(scene, payment_id)
    scene.simulator.post("disputes", {"payment_intent": copy})
    assert set(scene.deliver(scene.events(types=DISPUTED))) == {EventStatus.RECEIVED}
    scene.resume()
    scene.process_waiting()
    assert rows.one("SELECT status, is_disputed FROM payment") == {
        "status": "SUCCEEDED",
        "is_disputed": False,
    }
    assert rows("SELECT 1 FROM dispute") == []
    assert findings(rows) == {copy: "second_payment_intent"}


def test_a_dispute_about_a_copy_of_what_stripe_refused_is_a_finding_alone(scene: Scene, rows: Rows) -> None:
    copy = copied(scene, scene.charge(payment_method="pm_no_such_method"))
    scene.simulator.post("disputes", {"payment_intent": copy})
    assert set(scene.deliver(scene.events(types=DISPUTED))) == {EventStatus.IGNORED}
    assert rows.one(PAYMENT) == {"status": "FAILED", "id": None}
    assert findings(rows) == {copy: "unverified_metadata"}


def refund_unanswered(scene: Scene, payment_id: UUID, refund_id: str, *, when: str = "after") -> None:
    """Refund 700, but Stripe only says that it broke, and cannot be asked what came of it."""
    scene.simulator.fault("server_error", when=when, endpoint="refunds.create")
    asking = scene.simulator.fault("unavailable", endpoint="refunds.list", times=None)
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    scene.simulator.delete(f"faults/{asking}")


def copied_refund(scene: Scene, rows: Rows, payment_intent: str) -> str:
    """A Refund of 700 by the stranger, with the metadata that our attempt sent."""
    sent = rows.one(
        "SELECT parameters::json -> 'metadata' AS its FROM payment_attempt WHERE action = 'refund'"
    )
    body = {"amount": 700, "metadata": sent["its"]}
    return str(scene.simulator.post(f"payment_intents/{payment_intent}/refund", body)["id"])


def test_of_two_refunds_with_one_mac_ours_is_the_one_that_our_key_made(scene: Scene, rows: Rows) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    intent = str(rows.one(PAYMENT)["id"])
    refund_unanswered(scene, payment_id, refund_id)
    (ours,) = [each["id"] for each in scene.simulator.ledger()["payment_intents"][0]["refunds"]]
    copy = copied_refund(scene, rows, intent)
    assert scene.deliver([each for each in events_of(scene, copy) if each.type == "refund.created"]) == [
        EventStatus.RECEIVED
    ]
    scene.resume()
    scene.process_waiting()
    assert rows.one(f"{REFUNDS} WHERE refund_id = %s", refund_id) == {
        "status": "PROCESSED",
        "amount": 700,
        "id": ours,
    }
    assert {row["id"] for row in rows(REFUNDS)} == {ours, copy}


@pytest.mark.parametrize("type_", ["refund.updated", "charge.refunded", "refund.created"])
def test_a_refund_whose_metadata_were_cleared_while_it_was_unanswered_is_still_ours(
    scene: Scene, rows: Rows, type_: str
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.deliver(scene.events())
    refund_unanswered(scene, payment_id, refund_id)
    (ours,) = [each["id"] for each in scene.simulator.ledger()["payment_intents"][0]["refunds"]]
    scene.edit(f"refunds/{ours}", {"payment_id": "", "refund_id": "", "payment_worker_mac": ""})
    scene.deliver(scene.events(types=[type_]))
    scene.resume()
    scene.process_waiting()
    assert rows.one(REFUNDS) == {"status": "PROCESSED", "amount": 700, "id": ours}
    assert rows.one("SELECT amount_refunded AS sum FROM payment")["sum"] == 700
    assert findings(rows) == {}


def test_a_refund_made_elsewhere_is_counted_once_ours_is_answered(scene: Scene, rows: Rows) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    intent = rows.one(PAYMENT)["id"]
    refund_unanswered(scene, payment_id, refund_id, when="before")
    theirs = scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 700})["id"]
    scene.deliver(scene.events(types=["refund.created"]))
    scene.resume()
    scene.process_waiting()
    found = {row["id"]: row["status"] for row in rows(REFUNDS)}
    assert len(found) == 2
    assert found[theirs] == "PROCESSED"
    assert rows.one("SELECT amount_refunded AS sum FROM payment")["sum"] == 1400
