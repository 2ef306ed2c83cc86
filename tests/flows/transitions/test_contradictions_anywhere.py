"""What contradicts our record is a finding at once, whatever object and whichever door it comes through."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.gateway.webhook import Event
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene
from tests.harness.rows import Rows

FINDINGS = "SELECT kind, payment_id, status FROM reconciliation_finding ORDER BY kind"


def _canceled_here(rows: Rows) -> None:
    """Our record of a payment as canceled, whatever Stripe shows of it."""
    rows("UPDATE payment SET status = 'CANCELED', amount_captured = 0, version = version + 1")


def _intent(rows: Rows) -> str:
    return str(rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"])


def _refund(scene: Scene, rows: Rows) -> None:
    scene.simulator.post(f"payment_intents/{_intent(rows)}/refund", {"amount": 700})


def _dispute(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("disputes", {"payment_intent": _intent(rows)})


NEWS: dict[str, Callable[[Scene, Rows], None]] = {
    "payment_intent.succeeded": lambda _scene, _rows: None,
    "charge.succeeded": lambda _scene, _rows: None,
    "charge.refunded": _refund,
    "refund.created": _refund,
    "charge.dispute.created": _dispute,
}


def _found(rows: Rows) -> set[tuple[str, str, str]]:
    return {(row["kind"], row["payment_id"], row["status"]) for row in rows(FINDINGS)}


def _events(scene: Scene, type_: str) -> list[Event]:
    return scene.events(types=[type_])[-1:]


@pytest.mark.parametrize("api_version", ["pinned", "2020-08-27"])
@pytest.mark.parametrize("type_", NEWS)
def test_success_of_a_payment_that_we_hold_for_canceled_is_found_at_once(
    scene: Scene, rows: Rows, type_: str, api_version: str
) -> None:
    payment_id = scene.charge()
    scene.simulator.advance(10)
    NEWS[type_](scene, rows)
    _canceled_here(rows)
    events = _events(scene, type_)
    if api_version != "pinned":
        events = [replace(event, api_version=api_version) for event in events]
    assert scene.deliver(events) == [EventStatus.PROCESSED]
    assert ("payment_status_differs", str(payment_id), "OPEN") in _found(rows)
    assert rows.one("SELECT outcome FROM stripe_event") == {"outcome": "CONTRADICTED"}
    before = rows(FINDINGS)
    scene.deliver([replace(event, event_id="evt_again") for event in events])
    assert rows(FINDINGS) == before


@pytest.mark.parametrize("refunded", [False, True])
def test_reconciliation_finds_the_same(scene: Scene, rows: Rows, *, refunded: bool) -> None:
    payment_id = scene.charge()
    if refunded:
        _refund(scene, rows)
    _canceled_here(rows)
    assert reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
    assert ("payment_status_differs", str(payment_id), "OPEN") in _found(rows)


def test_a_lookup_finds_it_and_finishes_the_attempt(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    rows("UPDATE payment SET status = 'CANCELED', version = version + 1")
    scene.resume()
    assert ("payment_status_differs", str(payment_id), "OPEN") in _found(rows)
    assert rows.one("SELECT status FROM payment_attempt") == {"status": "EXECUTED"}


def _captured_by_another(scene: Scene, rows: Rows) -> UUID:
    """A payment that we authorised, of which somebody else captured more than we asked for."""
    payment_id = scene.charge(capture_method="manual")
    intent = _intent(rows)
    fields = {"status": "succeeded", "amount": 6000, "amount_received": 6000, "amount_capturable": 0}
    scene.simulator.post(f"objects/{intent}", {"fields": fields})
    return payment_id


def test_more_captured_than_was_asked_for_is_booked_and_found(scene: Scene, rows: Rows) -> None:
    payment_id = _captured_by_another(scene, rows)
    (event,) = scene.events(types=["payment_intent.amount_capturable_updated"])
    assert scene.deliver([event]) == [EventStatus.PROCESSED]
    row = rows.one("SELECT status, amount, amount_captured FROM payment")
    assert row == {"status": "SUCCEEDED", "amount": 5000, "amount_captured": 6000}
    assert _found(rows) == {("payment_amount_differs", str(payment_id), "OPEN")}
    told = rows.one("SELECT data FROM outbox WHERE type = 'PaymentSucceeded'")
    assert told["data"]["amount"] == 6000


def test_reconciliation_books_it_too(scene: Scene, rows: Rows) -> None:
    payment_id = _captured_by_another(scene, rows)
    for _ in range(2):
        assert reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
        assert rows.one("SELECT amount_captured FROM payment") == {"amount_captured": 6000}
        assert _found(rows) == {("payment_amount_differs", str(payment_id), "OPEN")}


def test_what_was_captured_beyond_may_be_refunded(scene: Scene, rows: Rows) -> None:
    payment_id = _captured_by_another(scene, rows)
    scene.deliver(scene.events(types=["payment_intent.amount_capturable_updated"]))
    scene.refund(payment_id)
    assert rows.one("SELECT amount FROM refund") == {"amount": 6000}
