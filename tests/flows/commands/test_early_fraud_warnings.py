"""An early fraud warning is told once, and refunds its payment once where the policy says so."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from payment_worker.flows.commands.refund_suspected import refund_id_of, refund_suspected
from payment_worker.flows.context import Context
from payment_worker.flows.events.poll import TYPES
from payment_worker.flows.maintenance.sweep import FollowUp, claim_follow_ups
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Clock, Scene
from tests.harness.rows import Rows

DAY = 86_400
WARNINGS = ("radar.early_fraud_warning.created", "radar.early_fraud_warning.updated")


@pytest.fixture
def eager(context: Context, scene: Scene, clock: Clock) -> Scene:
    """Where payments are refunded up to three days after a warning."""
    policy = replace(context.policy, fraud_refund_within=timedelta(days=3))
    return Scene(replace(context, policy=policy), scene.simulator, clock)


def warn(scene: Scene, rows: Rows, payment_id: UUID) -> str:
    """The issuer reports the payment; the warning's id."""
    payment = rows.one(
        "SELECT stripe_payment_intent_id AS id FROM payment WHERE payment_id = %s", str(payment_id)
    )
    return str(scene.simulator.post("early_fraud_warnings", {"payment_intent": payment["id"]})["id"])


def sweep(scene: Scene) -> list[str | None]:
    """What comes of the warnings that are due, each handed out twice."""
    return [answer.status if answer else None for answer in _answers(scene)]


def _answers(scene: Scene) -> Iterator[Any]:
    for warning_id in claim_follow_ups(scene.context, FollowUp.FRAUD_WARNINGS):
        yield refund_suspected(scene.context, warning_id)
        refund_suspected(scene.context, warning_id)


def told(rows: Rows) -> Counter[str]:
    return Counter(row["type"] for row in rows("SELECT type FROM outbox"))


def test_without_a_policy_it_is_published_and_no_more(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    warning_id = warn(scene, rows, payment_id)
    events = scene.events(types=WARNINGS)
    assert scene.deliver([*events, *events]) == [EventStatus.PROCESSED, None]
    row = rows.one("SELECT * FROM early_fraud_warning")
    assert (row["payment_id"], row["is_actionable"], row["next_action_at"]) == (str(payment_id), True, None)
    message = rows.one("SELECT data FROM outbox WHERE type = 'PaymentSuspected'")["data"]
    assert (message["warningId"], message["fraudType"]) == (warning_id, "made_with_stolen_card")
    assert sweep(scene) == []
    assert rows("SELECT 1 FROM refund") == []


def test_a_reconciliation_records_what_no_event_told_once(scene: Scene, rows: Rows) -> None:
    warning_id = warn(scene, rows, scene.charge())
    another_apps = scene.simulator.post("payment_intents", {"amount": 100, "currency": "eur"})["id"]
    scene.simulator.post("early_fraud_warnings", {"payment_intent": another_apps})
    now = scene.clock()
    for repaired in (1, 0):
        done = reconcile(scene.context, since=now - timedelta(days=1), until=now, on_page=lambda _: True)
        assert done
        assert done.run.repaired == repaired
    assert rows.one("SELECT stripe_early_fraud_warning_id AS id FROM early_fraud_warning")["id"] == warning_id
    scene.deliver(scene.events(types=WARNINGS))
    assert told(rows)["PaymentSuspected"] == 1
    assert rows("SELECT 1 FROM reconciliation_finding") == []


def test_the_policy_refunds_what_is_left_once(eager: Scene, scene: Scene, rows: Rows) -> None:
    payment_id = eager.charge()
    eager.refund(payment_id, amount=1500)
    warning_id = warn(eager, rows, payment_id)
    eager.deliver(eager.events(types=WARNINGS))
    assert sweep(scene) == []  # while it is off
    assert sweep(eager) == ["PROCESSED"]
    assert sweep(eager) == []
    refund = rows.one("SELECT * FROM refund WHERE amount = 3500")
    assert refund["refund_id"] == str(refund_id_of(payment_id, warning_id))
    assert (refund["reason"], refund["note"]) == ("fraudulent", warning_id)
    eager.deliver(eager.events())
    assert not rows.one("SELECT is_actionable FROM early_fraud_warning")["is_actionable"]
    assert told(rows)["PaymentSuspected"] == 1
    assert told(rows)["RefundProcessed"] == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_at_its_refund_refunds_once(eager: Scene, rows: Rows, when: str) -> None:
    warn(eager, rows, eager.charge())
    eager.deliver(eager.events(types=WARNINGS))
    eager.simulator.fault("server_error", when=when, endpoint="refunds.create")
    sweep(eager)
    eager.resume()
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"
    (ledger,) = eager.simulator.ledger()["payment_intents"]
    assert (ledger["refunded"], ledger["refund_count"]) == (5000, 1)


def test_a_worker_that_dies_before_the_end_is_followed_by_another(eager: Scene, rows: Rows) -> None:
    payment_id = eager.charge()
    warning_id = warn(eager, rows, payment_id)
    eager.deliver(eager.events(types=WARNINGS))
    assert list(claim_follow_ups(eager.context, FollowUp.FRAUD_WARNINGS)) == [warning_id]
    assert sweep(eager) == []
    eager.advance(61)
    assert sweep(eager) == ["PROCESSED"]


def test_nothing_is_refunded_that_is_disputed(eager: Scene, rows: Rows) -> None:
    payment_id = eager.charge()
    warn(eager, rows, payment_id)
    eager.deliver(eager.events(types=WARNINGS))
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    eager.simulator.post("disputes", {"payment_intent": intent})
    eager.deliver(eager.events(types=["charge.dispute.created"]))
    assert sweep(eager) == [None]
    assert rows("SELECT 1 FROM refund") == []
    assert rows.one("SELECT next_action_at FROM early_fraud_warning")["next_action_at"] is None


def test_a_dispute_that_is_not_known_yet_only_fails_the_refund(eager: Scene, rows: Rows) -> None:
    payment_id = eager.charge()
    warn(eager, rows, payment_id)
    created = eager.events(types=WARNINGS)
    intent = rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"]
    eager.simulator.post("disputes", {"payment_intent": intent})
    eager.deliver(created)
    assert sweep(eager) == ["FAILED"]
    assert rows.one("SELECT failure_reason FROM refund")["failure_reason"] == "charge_disputed"


@pytest.mark.parametrize(("late", "refunds"), [(2 * DAY, 1), (4 * DAY, 0)])
def test_a_warning_that_comes_too_late_is_left_to_a_person(
    eager: Scene, rows: Rows, late: int, refunds: int
) -> None:
    warn(eager, rows, eager.charge())
    eager.advance(late)
    eager.deliver(eager.events(types=WARNINGS))
    sweep(eager)
    assert len(rows("SELECT 1 FROM refund")) == refunds
    assert told(rows)["PaymentSuspected"] == 1


def test_an_authorisation_is_refunded_once_it_is_captured(eager: Scene, rows: Rows) -> None:
    payment_id = eager.charge(capture_method="manual")
    warn(eager, rows, payment_id)
    eager.deliver(eager.events(types=WARNINGS))
    assert sweep(eager) == [None]
    assert sweep(eager) == []
    eager.capture(payment_id)
    eager.advance(3601)
    assert sweep(eager) == ["PROCESSED"]


def test_a_transfer_is_taken_back_with_it(eager: Scene, rows: Rows) -> None:
    payment_id = eager.charge(transfer_data={"destination": "acct_seller"})
    warn(eager, rows, payment_id)
    eager.deliver(eager.events(types=WARNINGS))
    assert sweep(eager) == ["PROCESSED"]
    assert rows.one("SELECT reverse_transfer FROM refund")["reverse_transfer"]


def test_whatever_the_order_of_its_events_it_is_no_more_actionable(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    warn(scene, rows, payment_id)
    scene.refund(payment_id)
    scene.deliver(reversed(scene.events(types=WARNINGS)))
    assert not rows.one("SELECT is_actionable FROM early_fraud_warning")["is_actionable"]
    assert told(rows)["PaymentSuspected"] == 1


def test_a_warning_of_an_old_version_names_its_charge_alone(scene: Scene, rows: Rows) -> None:
    warn(scene, rows, scene.charge())
    (event,) = scene.events(types=WARNINGS)
    about = {**event.payload["data"]["object"]}
    del about["payment_intent"]
    old = replace(event, api_version="2018-02-28", payload={**event.payload, "data": {"object": about}})
    assert scene.deliver([old]) == [EventStatus.PROCESSED]
    assert told(rows)["PaymentSuspected"] == 1


def test_a_warning_of_another_apps_payment_is_ignored(scene: Scene, rows: Rows) -> None:
    scene.charge()
    other = scene.at_stripe(
        "/v1/payment_intents",
        {"amount": "5000", "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true"}
        | {
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        },
    )
    scene.simulator.post("early_fraud_warnings", {"payment_intent": other["id"]})
    assert scene.deliver(scene.events(types=WARNINGS)) == [EventStatus.IGNORED]
    assert rows("SELECT 1 FROM early_fraud_warning") == []


def test_what_is_no_warning_waits_for_a_person(scene: Scene, rows: Rows) -> None:
    warn(scene, rows, scene.charge())
    (event,) = scene.events(types=WARNINGS)
    broken = {**event.payload["data"]["object"], "created": None}
    payload = {**event.payload, "data": {"object": broken}}
    assert scene.deliver([replace(event, payload=payload)]) == [EventStatus.RECEIVED]
    assert rows.one("SELECT outcome FROM stripe_event")["outcome"].startswith("UNREADABLE")


def test_the_poll_lists_no_more_types_than_stripe_takes() -> None:
    assert "radar.early_fraud_warning.created" in TYPES
    assert len(TYPES) <= 20
