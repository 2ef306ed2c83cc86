"""One object whose shape we do not know, ours or another app's, hides nothing of what is listed with it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.store.reconciliation.reconciliation_runs import Run
from tests.flows.scene import Scene, process_new
from tests.harness.rows import Rows


def _reconcile(scene: Scene) -> Run:
    done = reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.is_finished
    return done.run


def _findings(rows: Rows) -> list[tuple[str, str]]:
    found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY kind")
    return [(row["kind"], row["status"]) for row in found]


def _spoil(scene: Scene, object_id: str, **fields: object) -> None:
    scene.simulator.post(f"objects/{object_id}", {"fields": fields})


def _a_refund(scene: Scene, intent: str) -> str:
    return str(scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 100})["id"])


def _a_dispute(scene: Scene, intent: str) -> str:
    events = scene.simulator.get("events", type="charge.dispute.created")["data"]
    (dispute,) = [
        each["data"]["object"] for each in events if each["data"]["object"]["payment_intent"] == intent
    ]
    return str(dispute["id"])


OBJECTS: dict[str, Callable[[Scene, str], str]] = {
    "payment": lambda _, intent: intent,
    "refund": _a_refund,
    "dispute": _a_dispute,
}


def _card(kind: str) -> str:
    return "pm_card_createDispute" if kind == "dispute" else "pm_card_visa"


@pytest.mark.parametrize("kind", OBJECTS)
def test_another_apps_is_left_out_and_all_else_is_compared(scene: Scene, rows: Rows, kind: str) -> None:
    refunded, _disputed = scene.charge(), scene.charge(payment_method="pm_card_createDispute")
    made = {"amount": 900, "currency": "eur", "payment_method": _card(kind)}
    foreign = scene.simulator.post("payment_intents", made)["id"]
    scene.simulator.advance(60)
    ours = rows.one("SELECT * FROM payment WHERE payment_id = %s", str(refunded))
    _a_refund(scene, ours["stripe_payment_intent_id"])
    _spoil(scene, OBJECTS[kind](scene, foreign), status=None)
    _reconcile(scene)
    assert _findings(rows) == [("dispute_not_recorded", "REPAIRED"), ("refund_not_ours", "REPAIRED")]


@pytest.mark.parametrize("kind", OBJECTS)
def test_one_of_ours_is_found_once_and_closed_when_it_can_be_read(
    scene: Scene, rows: Rows, kind: str
) -> None:
    payment_id = scene.charge(payment_method=_card(kind))
    scene.simulator.advance(60)
    object_id = OBJECTS[kind](scene, rows.one("SELECT * FROM payment")["stripe_payment_intent_id"])
    _spoil(scene, object_id, status="of_next_year")
    for _ in range(2):
        assert _reconcile(scene).left_open > 0
        assert _findings(rows) == [(f"{kind}_unreadable", "OPEN")]
    finding = rows.one("SELECT * FROM reconciliation_finding")
    assert (finding["object_id"], finding["payment_id"]) == (object_id, str(payment_id))
    _spoil(scene, object_id, status="needs_response" if kind == "dispute" else "succeeded")
    assert _reconcile(scene).closed == 1
    assert (f"{kind}_unreadable", "CLOSED") in _findings(rows)


def test_what_was_found_of_one_before_stays_open(scene: Scene, rows: Rows) -> None:
    scene.charge()
    rows("UPDATE payment SET amount = 6000")
    _reconcile(scene)
    _spoil(scene, rows.one("SELECT * FROM payment")["stripe_payment_intent_id"], status=None)
    _reconcile(scene)
    assert _findings(rows) == [("payment_amount_differs", "OPEN"), ("payment_unreadable", "OPEN")]


def test_an_event_of_ours_that_cannot_be_read_is_a_finding_at_once(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    scene.simulator.advance(60)
    _a_refund(scene, rows.one("SELECT * FROM payment")["stripe_payment_intent_id"])
    (event,) = scene.events(types=["refund.created"])
    about = {**event.payload["data"]["object"], "status": "of_next_year"}
    scene.deliver([replace(event, payload={**event.payload, "data": {"object": about}})])
    assert _findings(rows) == [("refund_unreadable", "OPEN")]
    assert rows.one("SELECT payment_id FROM reconciliation_finding") == {"payment_id": str(payment_id)}
    assert rows.one("SELECT status, outcome FROM stripe_event") == {
        "status": "RECEIVED",
        "outcome": "UNREADABLE",
    }


def test_an_event_that_cannot_be_read_stops_no_poll(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_processing")
    scene.advance(3600)
    for count in range(150):
        scene.simulator.post(
            "events", {"type": "payment_intent.processing", "object": {"id": f"pi_{count}", "metadata": {}}}
        )
    for event in scene.simulator.get("events", type="payment_intent.processing")["data"][-120:]:
        _spoil(scene, event["id"], data={"object": None})

    polled = poll(
        scene.context,
        PollOptions(overlap=timedelta(minutes=5), notify=lambda: process_new(scene.context)),
    )

    assert polled is not None
    assert polled.is_finished
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
