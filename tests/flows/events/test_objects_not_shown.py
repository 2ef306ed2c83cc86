"""An event about an object that Stripe does not show ends with that reason, or waits for hours, never for ever."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payment_worker.flows.events.inbox import MOST_TRIES
from payment_worker.gateway.webhook import Event, event_from
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene
from tests.harness.rows import Rows

OLD = "2024-06-20"
FINDINGS = "SELECT kind, object_id, status FROM reconciliation_finding ORDER BY kind"
EVENT = "SELECT status, outcome FROM stripe_event"


def _event_about(scene: Scene, type_: str, about: Mapping[str, Any]) -> Event:
    """An event of an endpoint that is pinned to an older version of the API."""
    (some, *_) = scene.events(types=["payment_intent.succeeded"])
    body = {**some.payload, "type": type_, "api_version": OLD, "data": {"object": dict(about)}}
    return replace(some, event_id="evt_old", type=type_, api_version=OLD, object_id=about["id"], payload=body)


def _intent(rows: Rows) -> str:
    return str(rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"])


@pytest.mark.parametrize("type_", ["charge.refund.updated", "refund.created", "charge.dispute.created"])
def test_no_such_object_ends_an_event_on_which_nothing_of_ours_depends(
    scene: Scene, rows: Rows, type_: str
) -> None:
    scene.charge()
    about = {"id": "re_released", "payment_intent": _intent(rows), "amount": 5000, "status": "succeeded"}
    assert scene.deliver([_event_about(scene, type_, about)]) == [EventStatus.IGNORED]
    assert rows(EVENT) == [{"status": "IGNORED", "outcome": "ABSENT"}]
    assert rows(FINDINGS) == []


def test_no_such_refund_that_our_record_has_is_a_finding(scene: Scene, rows: Rows) -> None:
    scene.refund(scene.charge(), amount=700)
    rows("UPDATE refund SET stripe_refund_id = 're_gone'")
    about = {"id": "re_gone", "payment_intent": _intent(rows)}
    assert scene.deliver([_event_about(scene, "refund.updated", about)]) == [EventStatus.PROCESSED]
    assert rows(FINDINGS) == [{"kind": "refund_missing_there", "object_id": "re_gone", "status": "OPEN"}]


def test_no_such_dispute_that_our_record_has_is_a_finding(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.simulator.post("disputes", {"payment_intent": _intent(rows)})
    scene.deliver(scene.events(types=["charge.dispute.created"]))
    rows("UPDATE dispute SET stripe_dispute_id = 'du_gone'")
    about = {"id": "du_gone", "payment_intent": _intent(rows)}
    assert scene.deliver([_event_about(scene, "charge.dispute.closed", about)])[0] is EventStatus.PROCESSED
    assert rows(FINDINGS) == [{"kind": "dispute_missing_there", "object_id": "du_gone", "status": "OPEN"}]


def test_events_of_an_account_that_left_are_asked_for_every_few_hours_and_found_once(
    scene: Scene, rows: Rows
) -> None:
    scene.charge(payment_method="pm_card_processing", stripe_account="acct_closed")
    listed = scene.simulator.get("events", account="acct_closed")["data"]
    (event, *_) = [event_from(each) for each in listed if each["type"] == "payment_intent.processing"]
    scene.simulator.post("accounts/disconnect", {"account": "acct_closed"})
    events = [
        replace(event, event_id=f"evt_{n}", stripe_account="acct_closed", api_version=OLD) for n in range(3)
    ]
    assert scene.deliver(events) == [EventStatus.RECEIVED] * 3
    assert rows(FINDINGS) == [{"kind": "account_unreadable", "object_id": "acct_closed", "status": "OPEN"}]
    assert {row["outcome"] for row in rows(EVENT)} == {"FORBIDDEN"}
    waits = rows("SELECT next_action_at AS at FROM stripe_event")
    assert all(row["at"] > scene.clock() + timedelta(hours=2) for row in waits)

    for _ in range(MOST_TRIES + 1):
        scene.clock.advance(4 * 3600)
        scene.process_due()
    assert {row["status"] for row in rows(EVENT)} == {"RECEIVED"}
    assert len(rows(FINDINGS)) == 1

    scene.simulator.post("accounts/connect", {"account": "acct_closed"})
    scene.clock.advance(4 * 3600)
    scene.process_due()
    assert {row["status"] for row in rows(EVENT)} == {"PROCESSED"}
