"""Several captures take what each asks for, once, and together never more than is held."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.flows.scene import Scene
from tests.harness.rows import Rows


@pytest.fixture
def held(scene: Scene) -> UUID:
    """A payment of 50.00 EUR that is authorised for several captures."""
    return scene.charge(capture_method="manual", multicapture=True)


def payment(rows: Rows) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment")


def captured(scene: Scene) -> int:
    """What Stripe took."""
    (intent,) = scene.simulator.ledger()["payment_intents"]
    return int(intent["captured"])


def effects(scene: Scene) -> int:
    return sum(each["effect"] for each in scene.simulator.journal(endpoint="payment_intents.capture"))


def told(rows: Rows) -> list[tuple[str, int, int | None]]:
    found = rows("SELECT type, data FROM outbox WHERE type <> 'PaymentRequested' ORDER BY position")
    return [(row["type"], row["data"]["amount"], row["data"].get("amountCaptured")) for row in found]


def test_each_takes_its_part_and_the_last_lets_go_of_the_rest(scene: Scene, rows: Rows, held: UUID) -> None:
    first = scene.capture(held, amount=1000, final=False)
    assert (first.status, first.reason, payment(rows)["amount_captured"]) == ("AUTHORIZED", None, 1000)
    assert scene.capture(held, amount=1500, final=False).status == "AUTHORIZED"
    assert scene.capture(held, amount=2000).status == "SUCCEEDED"
    assert (payment(rows)["amount_captured"], captured(scene)) == (4500, 4500)
    assert told(rows) == [
        ("PaymentAuthorized", 5000, None),
        ("PaymentAuthorized", 4000, 1000),
        ("PaymentAuthorized", 2500, 2500),
        ("PaymentSucceeded", 4500, None),
    ]
    scene.deliver(scene.events())
    assert payment(rows)["amount_captured"] == 4500
    assert rows("SELECT 1 FROM reconciliation_finding") == []
    assert scene.refund(held).status == "PROCESSED"


def test_the_last_takes_all_that_is_left_by_default(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.capture(held, amount=1000, final=False)
    assert scene.capture(held).status == "SUCCEEDED"
    assert (payment(rows)["amount_captured"], captured(scene)) == (5000, 5000)


def test_no_more_is_taken_than_is_held(scene: Scene, held: UUID) -> None:
    scene.capture(held, amount=4000, final=False)
    assert scene.capture(held, amount=1001).reason == "amount_exceeds_authorized"
    assert captured(scene) == 4000


def test_the_same_message_takes_its_part_once(scene: Scene, held: UUID) -> None:
    message_id = uuid4()
    for _ in range(3):
        answer = scene.capture(held, amount=1000, final=False, message_id=message_id)
        assert (answer.status, answer.reason) == ("AUTHORIZED", None)
    scene.capture(held, amount=1000, final=False)
    assert (captured(scene), effects(scene)) == (2000, 2)


def test_where_the_account_may_not_it_is_refused_and_nothing_is_taken(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(capture_method="manual")
    answer = scene.capture(payment_id, amount=1000, final=False)
    assert (answer.status, answer.reason is None, captured(scene)) == ("AUTHORIZED", False, 0)
    assert rows.one("SELECT arguments FROM rejected_request")["arguments"]["final"] is False
    assert scene.capture(payment_id, amount=1000).status == "SUCCEEDED"


@pytest.mark.parametrize("hears", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_takes_each_part_once(
    scene: Scene, held: UUID, rows: Rows, when: str, *, hears: bool
) -> None:
    scene.capture(held, amount=1000, final=False)
    scene.simulator.fault("server_error", when=when, endpoint="payment_intents.capture")
    scene.capture(held, amount=1000, final=False)
    if hears:
        scene.deliver(scene.events())
    scene.resume()
    assert (captured(scene), payment(rows)["amount_captured"]) == (2000, 2000)
    scene.capture(held)
    assert (captured(scene), effects(scene)) == (5000, 3)


@pytest.mark.parametrize("hears", [False, True])
def test_beyond_the_keys_age_it_is_looked_up(scene: Scene, held: UUID, rows: Rows, *, hears: bool) -> None:
    scene.capture(held, amount=1000, final=False)
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.capture")
    asking = scene.simulator.fault("unavailable", endpoint="payment_intents.retrieve", times=None)
    scene.capture(held, amount=1000, final=False)
    scene.simulator.delete(f"faults/{asking}")
    if hears:
        scene.deliver(scene.events())
    scene.advance(86_000)
    scene.resume()
    assert (captured(scene), payment(rows)["amount_captured"]) == (2000, 2000)
    assert rows.one("SELECT count(*) AS n FROM payment_attempt WHERE status = 'EXECUTED'")["n"] == 3


def test_captures_and_increments_made_elsewhere_are_believed(scene: Scene, rows: Rows, held: UUID) -> None:
    intent = payment(rows)["stripe_payment_intent_id"]
    scene.at_stripe(
        f"/v1/payment_intents/{intent}/capture", {"amount_to_capture": "1200", "final_capture": "false"}
    )
    scene.deliver(scene.events())
    assert (payment(rows)["amount_captured"], payment(rows)["amount_authorized"]) == (1200, 5000)
    scene.simulator.post(f"objects/{intent}", {"fields": {"amount": 6000, "amount_capturable": 4800}})
    (event,) = scene.events(types=["payment_intent.amount_capturable_updated"])[-1:]
    scene.simulator.post("events", {"type": event.type, "object": event.payload["data"]["object"]})
    scene.deliver(scene.events())
    assert payment(rows)["amount_authorized"] == 6000
    assert rows.one("SELECT kind FROM reconciliation_finding")["kind"] == "payment_amount_differs"
    assert scene.capture(held).status == "SUCCEEDED"
    assert (payment(rows)["amount_captured"], captured(scene)) == (6000, 6000)


def test_what_was_captured_stays_so_when_the_rest_expires(scene: Scene, rows: Rows, held: UUID) -> None:
    scene.capture(held, amount=1000, final=False)
    assert scene.refund(held, amount=400).status == "REQUESTED"  # waits for the last capture
    intent = payment(rows)["stripe_payment_intent_id"]
    scene.simulator.post(f"payment_intents/{intent}/expire")
    scene.deliver(scene.events())
    assert (payment(rows)["status"], payment(rows)["amount_captured"]) == ("SUCCEEDED", 1000)


def test_what_was_captured_is_refundable_when_the_rest_is_canceled(
    scene: Scene, rows: Rows, held: UUID
) -> None:
    scene.capture(held, amount=1000, final=False)
    assert scene.cancel(held).status == "CANCELED"
    assert (payment(rows)["amount_captured"], captured(scene)) == (1000, 1000)
