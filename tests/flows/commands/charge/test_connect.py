"""A connected account's payments live on it alone: in calls, keys, events, look-ups, poll and reconciliation."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.gateway.webhook import Event, event_from
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene
from tests.harness.rows import Rows

ONE, TWO = "acct_one", "acct_two"
POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"


def _payment(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _accounts(scene: Scene) -> set[str]:
    return {each["account"] for each in scene.simulator.journal()}


def _events(scene: Scene, account: str) -> list[Event]:
    return [event_from(each) for each in scene.simulator.get("events", account=account)["data"]]


def test_every_call_for_a_payment_is_made_on_its_account(scene: Scene, rows: Rows) -> None:
    for account in (ONE, TWO):
        held = scene.charge(stripe_account=account, capture_method="manual")
        assert scene.capture(held, amount=3000).status == "SUCCEEDED"
        assert scene.refund(held).status == "PROCESSED"
        given_up = scene.charge(stripe_account=account, capture_method="manual")
        assert scene.cancel(given_up).status == "CANCELED"
        declined = scene.charge(stripe_account=account, payment_method=POOR)
        assert scene.retry(declined, payment_method="pm_card_visa").status == "SUCCEEDED"
    for account in (ONE, TWO):
        calls = [each for each in scene.simulator.journal() if each["account"] == account]
        assert len(calls) == 7
        ledger = scene.simulator.ledger(account=account)["payment_intents"]
        assert [(each["captured"], each["refunded"]) for each in ledger] == [(3000, 3000), (0, 0), (5000, 0)]
    assert _accounts(scene) == {ONE, TWO}
    assert {row["stripe_account"] for row in rows("SELECT stripe_account FROM payment")} == {ONE, TWO}


@pytest.mark.parametrize("endpoint", ["create", "capture", "cancel", "confirm"])
def test_what_is_unknown_is_looked_up_on_its_account(scene: Scene, rows: Rows, endpoint: str) -> None:
    method = POOR if endpoint == "confirm" else "pm_card_visa"
    scene.simulator.fault("server_error", when="after", endpoint=f"payment_intents.{endpoint}")
    payment_id = scene.charge(stripe_account=ONE, capture_method="manual", payment_method=method)
    match endpoint:
        case "capture":
            scene.capture(payment_id)
        case "cancel":
            scene.cancel(payment_id)
        case "confirm":
            scene.retry(payment_id, payment_method="pm_card_visa")
    scene.resume()
    ends = {"create": "AUTHORIZED", "capture": "SUCCEEDED", "cancel": "CANCELED", "confirm": "AUTHORIZED"}
    assert _payment(rows, payment_id)["status"] == ends[endpoint]
    assert _accounts(scene) == {ONE}


def test_events_are_distinguished_by_account_and_processed_on_it(scene: Scene, rows: Rows) -> None:
    for account in (ONE, TWO):
        scene.charge(stripe_account=account, payment_method="pm_card_processing")
    scene.simulator.advance(60)
    for account in (ONE, TWO):
        events = _events(scene, account)
        assert {event.stripe_account for event in events} == {account}
        scene.deliver(events)
    assert {row["status"] for row in rows("SELECT status FROM payment")} == {"SUCCEEDED"}
    kept = {row["stripe_account"] for row in rows("SELECT stripe_account FROM stripe_event")}
    assert kept == {ONE, TWO}


def test_the_same_event_id_on_two_accounts_is_two_events(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(stripe_account=ONE, payment_method="pm_card_processing")
    scene.simulator.advance(60)
    (done,) = [each for each in _events(scene, ONE) if each.type == "payment_intent.succeeded"]
    body = {**done.payload, "account": TWO}
    foreign = {**body, "data": {"object": {**body["data"]["object"], "id": "pi_other", "metadata": {}}}}
    assert scene.deliver([event_from(foreign), done]) == [EventStatus.IGNORED, EventStatus.PROCESSED]
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("account", [TWO, None])
def test_another_account_cannot_pose_as_a_payment_by_its_metadata(
    scene: Scene, rows: Rows, account: str | None
) -> None:
    scene.simulator.fault("server_error", when="before", endpoint="payment_intents.create", times=None)
    unknown = scene.charge(stripe_account=ONE)
    scene.simulator.delete("faults")
    refused = scene.charge(stripe_account=ONE, payment_method="pm_nobody_knows")
    for payment_id in (unknown, refused):
        scene.simulator.post(
            "payment_intents",
            {
                "account": account,
                "amount": 5000,
                "currency": "eur",
                "metadata": {"payment_id": str(payment_id)},
            },
        )
    scene.deliver(_events(scene, account or "acct_simulator"))
    _reconcile(scene)
    assert _payment(rows, unknown)["status"] == "REQUESTED"
    assert _payment(rows, refused)["status"] == "FAILED"
    assert rows("SELECT 1 FROM payment WHERE stripe_payment_intent_id IS NOT NULL") == []


def _reconcile(scene: Scene) -> None:
    scene.advance(7200)
    now = scene.clock()
    done = reconcile(scene.context, since=now - timedelta(days=1), until=now, on_page=lambda _: True)
    assert done


def test_poll_and_reconciliation_go_through_each_account(scene: Scene, rows: Rows) -> None:
    for account in (ONE, TWO):
        scene.charge(stripe_account=account, capture_method="manual")
        (intent,) = scene.simulator.ledger(account=account)["payment_intents"]
        scene.simulator.post(f"payment_intents/{intent['id']}/capture", {"account": account})
    polled = poll(scene.context, PollOptions(overlap=timedelta(minutes=5), notify=lambda: None))
    assert polled is not None
    accounts = {row["stripe_account"] for row in rows("SELECT stripe_account FROM stripe_event")}
    assert {ONE, TWO} <= accounts
    _reconcile(scene)
    assert {row["status"] for row in rows("SELECT status FROM payment")} == {"SUCCEEDED"}


def test_a_charge_on_an_account_that_is_closed_to_us_is_refused_at_once(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("accounts/disconnect", {"account": ONE})
    payment_id = scene.charge(stripe_account=ONE)
    assert _payment(rows, payment_id)["status"] == "FAILED"
    assert _payment(rows, payment_id)["decline_code"] == "account_invalid"


def test_what_was_asked_before_an_account_was_closed_stays_unknown(scene: Scene, rows: Rows) -> None:
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.create")
    asking = scene.simulator.fault("unavailable", endpoint="payment_intents.list", times=None)
    payment_id = scene.charge(stripe_account=ONE)
    scene.simulator.delete(f"faults/{asking}")
    scene.simulator.post("accounts/disconnect", {"account": ONE})
    with pytest.raises(AssertionError, match="attempts wait for ever"):
        scene.resume()
    assert _payment(rows, payment_id)["status"] == "REQUESTED"
    scene.simulator.post("accounts/connect", {"account": ONE})
    scene.resume()
    assert _payment(rows, payment_id)["status"] == "SUCCEEDED"


def test_a_change_on_an_account_that_is_closed_to_us_is_refused(scene: Scene, rows: Rows) -> None:
    held = scene.charge(stripe_account=ONE, capture_method="manual")
    paid = scene.charge(stripe_account=ONE)
    scene.simulator.post("accounts/disconnect", {"account": ONE})
    assert scene.capture(held).reason == "account_invalid"
    assert scene.refund(paid, amount=100).reason == "account_invalid"
    assert _payment(rows, held)["status"] == "AUTHORIZED"
    assert _payment(rows, paid)["amount_refund_reserved"] == 0
