"""A payout is followed to the bank and back, told once, and compared with what it is made of."""

from dataclasses import replace
from typing import Any

import pytest

from payment_worker.flows.events.poll import TYPES
from tests.flows.ledger.test_import import balance, findings, imported, proven
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DAY = 86_400
NET = 5000 - 175


def told(rows: Rows) -> list[tuple[str, str]]:
    query = "SELECT type, stripe_payout_id FROM outbox WHERE stripe_payout_id IS NOT NULL ORDER BY position"
    return [(row["type"], row["stripe_payout_id"]) for row in rows(query)]


@pytest.fixture
def payout(scene: Scene) -> dict[str, Any]:
    """An automatic payout of one charge, on its way."""
    scene.charge()
    scene.advance(3 * DAY)
    (made,) = scene.simulator.post("payouts")["payouts"]
    sent: dict[str, Any] = made
    return sent


def test_a_payout_is_published_when_the_bank_has_it(scene: Scene, rows: Rows, payout: dict[str, Any]) -> None:
    assert proven(scene) == {"EUR": 0}
    assert balance(rows, "payouts_in_transit") == {"EUR": NET}
    known = rows.one("SELECT status, amount, is_automatic, itemized_amount FROM payout")
    assert known == {"status": "PENDING", "amount": NET, "is_automatic": True, "itemized_amount": NET}
    assert told(rows) == []

    scene.advance(DAY)
    proven(scene)
    proven(scene)
    assert (balance(rows, "payouts_in_transit"), balance(rows, "bank")) == ({}, {"EUR": NET})
    assert told(rows) == [("PayoutPaid", payout["id"])]
    data = rows.one("SELECT data FROM outbox WHERE type = 'PayoutPaid'")["data"]
    assert (data["payoutId"], data["amount"], data["currency"]) == (payout["id"], NET, "EUR")


def test_one_that_fails_after_it_was_paid_comes_back(
    scene: Scene, rows: Rows, payout: dict[str, Any]
) -> None:
    scene.advance(DAY)
    proven(scene)
    scene.simulator.post(f"payouts/{payout['id']}/fail", {"failure_code": "no_account"})
    assert proven(scene) == {"EUR": 0}
    proven(scene)
    assert balance(rows, "payouts_in_transit") == balance(rows, "bank") == {}
    assert told(rows) == [("PayoutPaid", payout["id"]), ("PayoutFailed", payout["id"])]
    assert rows.one("SELECT data FROM outbox WHERE type = 'PayoutFailed'")["data"]["reason"] == "no_account"

    # Whenever it was looked at, the books come to the same.
    scene.advance(DAY)
    (again,) = scene.simulator.post("payouts")["payouts"]
    assert proven(scene) == {"EUR": 0}
    lines = rows("SELECT type FROM balance_transaction WHERE stripe_payout_id = %s", again["id"])
    assert [line["type"] for line in lines] == ["payout_failure"]
    assert findings(rows) == set()


@pytest.mark.parametrize(("change", "reason"), [("fail", "account_closed"), ("cancel", "canceled")])
def test_one_that_never_arrives_is_published_as_failed(
    scene: Scene, rows: Rows, change: str, reason: str
) -> None:
    scene.charge()
    scene.advance(3 * DAY)
    made = scene.at_stripe("/v1/payouts", {"amount": "100", "currency": "eur"})
    proven(scene)
    if change == "fail":
        scene.simulator.post(f"payouts/{made['id']}/fail")
    else:
        scene.at_stripe(f"/v1/payouts/{made['id']}/cancel", {})
    assert proven(scene) == {"EUR": 0}
    assert told(rows) == [("PayoutFailed", made["id"])]
    assert rows.one("SELECT data FROM outbox WHERE type = 'PayoutFailed'")["data"]["reason"] == reason
    assert balance(rows, "payouts_in_transit") == {}
    known = rows.one("SELECT is_automatic, itemized_amount FROM payout")
    assert known == {"is_automatic": False, "itemized_amount": None}  # Stripe does not say what it is made of


def test_a_payout_that_is_not_the_sum_of_its_lines_is_named(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.advance(3 * DAY)
    (made,) = scene.simulator.post("payouts")["payouts"]
    scene.simulator.post(f"objects/{made['id']}", {"fields": {"amount": NET + 1}})
    proven(scene)
    assert findings(rows) == {("payout_sum_differs", made["id"])}


EVENTS = ("payout.updated", "payout.paid", "payout.failed", "payout.reconciliation_completed")


def test_events_of_payouts_have_the_balance_of_their_account_imported_at_once(
    scene: Scene, rows: Rows, payout: dict[str, Any]
) -> None:
    scene.advance(DAY)
    scene.simulator.post(f"payouts/{payout['id']}/fail")
    asked: list[str] = []
    listening = replace(scene, context=replace(scene.context, notify_import=asked.append))
    events = scene.events(types=EVENTS)
    assert {event.type for event in events} == set(EVENTS)
    assert set(listening.deliver(events)) == {"PROCESSED"}
    assert asked == [""] * len(events)
    assert {
        row["outcome"] for row in rows("SELECT outcome FROM stripe_event WHERE type LIKE 'payout.%%'")
    } == {"BALANCE"}


def test_the_poll_does_not_list_what_every_import_finds() -> None:
    assert not [each for each in TYPES if each.startswith(("payout.", "balance."))]
    assert len(TYPES) <= 20


def test_one_account_is_imported_alone(scene: Scene, rows: Rows, payout: dict[str, Any]) -> None:
    scene.charge(stripe_account="acct_1")
    scene.simulator.advance(10)
    assert [each.stripe_account for each in imported(scene, only="acct_1")] == ["acct_1"]
    assert rows("SELECT * FROM payout") == []
    assert [each.stripe_account for each in imported(scene, only="")] == [""]
    assert rows.one("SELECT stripe_payout_id AS id FROM payout")["id"] == payout["id"]
    assert imported(scene, only="acct_foreign") == []
