"""A dispute is recorded and told once, and stops refunds exactly while the bank holds the money."""

from typing import Any
from uuid import UUID

import pytest

from payment_worker.gateway.webhook import Event
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DISPUTE_EVENTS = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)


def open_dispute(scene: Scene, rows: Rows, payment_id: UUID, **fields: object) -> dict[str, Any]:
    intent = rows.one(
        "SELECT stripe_payment_intent_id AS id FROM payment WHERE payment_id = %s", str(payment_id)
    )
    dispute: dict[str, Any] = scene.simulator.post("disputes", {"payment_intent": intent["id"], **fields})
    return dispute


def dispute_events(scene: Scene) -> list[Event]:
    return scene.events(types=DISPUTE_EVENTS)


def told(rows: Rows) -> list[str]:
    return [row["type"] for row in rows("SELECT type FROM outbox ORDER BY position")]


def test_r6_a_disputed_charge_refuses_a_refund_with_a_clear_reason(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    open_dispute(scene, rows, payment_id)
    scene.deliver(dispute_events(scene))
    asked_before = len(scene.simulator.journal(endpoint="refunds.create"))

    answer = scene.refund(payment_id, amount=100)

    assert (answer.status, answer.reason) == ("FAILED", "charge_disputed")
    assert len(scene.simulator.journal(endpoint="refunds.create")) == asked_before
    assert rows.one("SELECT amount_refund_reserved FROM payment")["amount_refund_reserved"] == 0
    assert told(rows)[-2:] == ["DisputeOpened", "RefundFailed"]


def test_a_refund_that_races_an_unheard_dispute_fails_with_the_same_reason(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    open_dispute(scene, rows, payment_id)
    answer = scene.refund(payment_id, amount=100)
    assert (answer.status, answer.reason) == ("FAILED", "charge_disputed")


def test_a_won_dispute_lets_refunds_through_again(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    dispute = open_dispute(scene, rows, payment_id)
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})
    scene.deliver(dispute_events(scene))
    assert rows.one("SELECT status FROM dispute")["status"] == "WON"
    assert scene.refund(payment_id, amount=100).status == "PROCESSED"
    assert told(rows).count("DisputeOpened") == told(rows).count("DisputeClosed") == 1


def test_a_prevented_dispute_is_published_as_closed(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    dispute = open_dispute(scene, rows, payment_id)
    scene.deliver(dispute_events(scene))
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "prevented"})
    scene.deliver(dispute_events(scene))
    assert told(rows)[-2:] == ["DisputeOpened", "DisputeClosed"]
    assert rows.one("SELECT data FROM outbox WHERE type = 'DisputeClosed'")["data"]["outcome"] == "PREVENTED"
    assert scene.refund(payment_id, amount=100).status == "PROCESSED"


def test_a_lost_dispute_keeps_refunds_out_for_good(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    dispute = open_dispute(scene, rows, payment_id)
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "lost"})
    scene.deliver(dispute_events(scene))
    assert rows.one("SELECT is_disputed FROM payment")["is_disputed"]
    assert scene.refund(payment_id).reason == "charge_disputed"


@pytest.mark.parametrize("status", ["appeal_needs_response", "appeal_under_review"])
def test_r6_a_dispute_first_seen_under_appeal_stops_refunds(scene: Scene, rows: Rows, status: str) -> None:
    payment_id = scene.charge()
    open_dispute(scene, rows, payment_id, status=status)
    assert set(scene.deliver(dispute_events(scene))) == {EventStatus.PROCESSED}
    assert rows.one("SELECT status FROM dispute")["status"] == status.upper()
    assert scene.refund(payment_id).reason == "charge_disputed"
    assert told(rows).count("DisputeOpened") == 1
    assert "DisputeClosed" not in told(rows)


def appeal(scene: Scene, dispute: dict[str, Any]) -> None:
    scene.simulator.post(f"disputes/{dispute['id']}/update", {"status": "appeal_needs_response"})
    scene.simulator.post(f"disputes/{dispute['id']}/update", {"evidence": {"receipt": "file_1"}})


@pytest.mark.parametrize(
    ("end", "outcomes", "refund"),
    [("won", ["LOST", "WON"], "PROCESSED"), ("lost", ["LOST"], "FAILED")],
)
def test_an_appeal_is_published_only_if_it_changes_what_was_published(
    scene: Scene, rows: Rows, end: str, outcomes: list[str], refund: str
) -> None:
    payment_id = scene.charge()
    dispute = open_dispute(scene, rows, payment_id)
    close = f"disputes/{dispute['id']}/close"
    scene.simulator.post(close, {"status": "lost"})
    scene.deliver(dispute_events(scene))
    appeal(scene, dispute)
    scene.deliver(dispute_events(scene))
    assert rows.one("SELECT status FROM dispute")["status"] == "APPEAL_UNDER_REVIEW"
    assert scene.refund(payment_id).reason == "charge_disputed"
    scene.simulator.post(close, {"status": end})
    scene.deliver(dispute_events(scene))

    assert rows.one("SELECT status FROM dispute")["status"] == end.upper()
    closed = rows("SELECT data FROM outbox WHERE type = 'DisputeClosed' ORDER BY position")
    assert [row["data"]["outcome"] for row in closed] == outcomes
    assert told(rows).count("DisputeOpened") == 1
    assert scene.refund(payment_id).status == refund


@pytest.mark.parametrize("end", ["appeal_under_review", "won", "lost"])
@pytest.mark.parametrize("backwards", [False, True])
def test_e4_late_events_of_an_appeal_end_with_stripes_status(
    scene: Scene, rows: Rows, end: str, *, backwards: bool
) -> None:
    dispute = open_dispute(scene, rows, scene.charge())
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "lost"})
    appeal(scene, dispute)
    if end != "appeal_under_review":
        scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": end})
    events = dispute_events(scene)
    assert set(scene.deliver(reversed(events) if backwards else events)) == {EventStatus.PROCESSED}
    assert rows.one("SELECT status FROM dispute")["status"] == end.upper()
    assert rows.one("SELECT is_disputed FROM payment")["is_disputed"] == (end != "won")


def test_of_a_loss_and_an_appeal_nothing_is_believed_while_stripe_cannot_be_asked(
    scene: Scene, rows: Rows
) -> None:
    dispute = open_dispute(scene, rows, scene.charge())
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "lost"})
    scene.deliver(dispute_events(scene))
    appeal(scene, dispute)
    scene.simulator.fault("unavailable", endpoint="disputes.retrieve", times=3)
    assert scene.deliver(dispute_events(scene))[-1] is EventStatus.RECEIVED
    assert rows.one("SELECT status FROM dispute")["status"] == "LOST"
    scene.process_waiting()
    assert rows.one("SELECT status FROM dispute")["status"] == "APPEAL_UNDER_REVIEW"


def test_an_inquiry_stops_nothing_until_it_becomes_a_dispute(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    dispute = open_dispute(scene, rows, payment_id, status="warning_needs_response")
    scene.deliver(dispute_events(scene))
    assert rows.one("SELECT status FROM dispute")["status"] == "WARNING_NEEDS_RESPONSE"
    assert "DisputeOpened" not in told(rows)
    assert scene.refund(payment_id, amount=100).status == "PROCESSED"

    scene.simulator.post(f"disputes/{dispute['id']}/update", {"status": "needs_response"})
    scene.deliver(dispute_events(scene))
    assert scene.refund(payment_id, amount=100).reason == "charge_disputed"
    assert told(rows).count("DisputeOpened") == 1


def test_e3_late_and_repeated_dispute_events_move_nothing_backwards(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    dispute = open_dispute(scene, rows, payment_id)
    scene.simulator.post(f"disputes/{dispute['id']}/update", {"evidence": {"receipt": "file_1"}})
    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})

    scene.deliver(reversed(dispute_events(scene)))

    assert rows.one("SELECT status FROM dispute")["status"] == "WON"
    assert not rows.one("SELECT is_disputed FROM payment")["is_disputed"]
    assert told(rows)[-2:] == ["DisputeOpened", "DisputeClosed"]
    history = rows("SELECT from_status, to_status FROM payment_history WHERE stripe_dispute_id IS NOT NULL")
    assert history == [{"from_status": None, "to_status": "WON"}]


def test_e1_a_dispute_of_a_payment_whose_success_is_not_recorded_yet_loses_nothing(
    scene: Scene, rows: Rows
) -> None:
    payment_id = scene.charge_unanswered()
    assert rows.one("SELECT status FROM payment")["status"] == "REQUESTED"
    intent = scene.simulator.ledger()["payment_intents"][0]["id"]
    scene.simulator.post("disputes", {"payment_intent": intent})

    # Whose the PaymentIntent is, which carries our metadata, is known once the attempt is answered.
    assert set(scene.deliver(dispute_events(scene))) == {EventStatus.RECEIVED}
    scene.resume()
    scene.process_waiting()

    assert {row["status"] for row in rows("SELECT status FROM stripe_event")} == {EventStatus.PROCESSED}
    row = rows.one("SELECT status, is_disputed FROM payment WHERE payment_id = %s", str(payment_id))
    assert row == {"status": "SUCCEEDED", "is_disputed": True}
    assert told(rows) == ["PaymentRequested", "PaymentSucceeded", "DisputeOpened"]


def test_a_dispute_in_a_shape_of_another_version_is_fetched_again(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    open_dispute(scene, rows, payment_id)
    (created,) = scene.events(types=["charge.dispute.created"])
    old = {**created.payload, "api_version": "2019-02-11", "data": {"object": {"id": created.object_id}}}
    scene.deliver([Event(**{**vars_of(created), "api_version": "2019-02-11", "payload": old})])
    assert rows.one("SELECT status FROM dispute")["status"] == "NEEDS_RESPONSE"


def vars_of(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__slots__}


def test_a_dispute_of_another_app_is_kept_as_ignored(scene: Scene, rows: Rows) -> None:
    made = scene.simulator.post(
        "payment_intents", {"amount": 700, "currency": "eur", "payment_method": "pm_card_visa"}
    )
    scene.simulator.post("disputes", {"payment_intent": made["id"]})
    assert set(scene.deliver(dispute_events(scene))) == {EventStatus.IGNORED}
    assert rows("SELECT 1 FROM dispute") == []


@pytest.mark.parametrize("dropped", ["balance_transactions.retrieve", "payment_intents.retrieve"])
def test_an_event_whose_object_cannot_be_fetched_is_rescheduled_and_never_ignored(
    scene: Scene, rows: Rows, dropped: str
) -> None:
    payment_id = scene.charge()
    scene.simulator.advance(5)
    scene.simulator.fault("unavailable", endpoint=dropped, times=3)
    rows("UPDATE payment SET status = 'PROCESSING', amount_captured = 0")
    scene.deliver(scene.events(types=["charge.updated"]))
    assert rows.one("SELECT status FROM stripe_event")["status"] == "RECEIVED"
    scene.process_waiting()
    row = rows.one("SELECT status, fee, net FROM payment WHERE payment_id = %s", str(payment_id))
    assert row["status"] == "SUCCEEDED"
    assert row["fee"] + row["net"] == 5000
