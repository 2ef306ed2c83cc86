"""News of Stripe's that comes early, twice, late, in another shape or not for us ends right, whoever brings it."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.gateway.webhook import Event
from payment_worker.store.events.inbox import EventStatus
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.rows import Rows

Background = Callable[..., Future[Any]]


@pytest.fixture
def background() -> Iterable[Background]:
    """Runs something on another thread: `background(scene.charge).result()`."""
    with ThreadPoolExecutor(8) as threads:
        yield threads.submit


def told(rows: Rows) -> list[str]:
    return [row["type"] for row in rows("SELECT type FROM outbox ORDER BY position")]


def one(rows: Rows, table: str, columns: str) -> tuple[Any, ...]:
    return tuple(rows.one(f"SELECT {columns} FROM {table}").values())  # noqa: S608 - our own words


def finish_attempts(scene: Scene) -> None:
    """Let everything that is due be done."""
    scene.clock.advance(200)
    for attempt in claim_due(scene.context, ALL_DUE).attempts:
        run_claimed(scene.context, attempt.attempt_id, lease_token=attempt.lease_token)


def test_e1_an_event_that_overtakes_the_answer_that_we_wait_for_loses_nothing(
    scene: Scene, rows: Rows, background: Background
) -> None:
    scene.simulator.fault("latency", when="after", endpoint="payment_intents.create", seconds=1)
    charging = background(scene.charge)
    events = wait_until(lambda: scene.events(types=["payment_intent.succeeded"]))
    assert scene.deliver(events) == [EventStatus.PROCESSED]
    assert one(rows, "payment", "status") == ("SUCCEEDED",)
    charging.result()
    assert one(rows, "payment", "status, amount_captured") == ("SUCCEEDED", 5000)
    assert told(rows) == ["PaymentRequested", "PaymentSucceeded"]


def test_e1_an_event_before_an_answer_that_never_came_loses_nothing(scene: Scene, rows: Rows) -> None:
    scene.charge_unanswered()
    assert one(rows, "payment", "status") == ("REQUESTED",)
    scene.deliver(scene.events())
    assert one(rows, "payment", "status") == ("SUCCEEDED",)
    finish_attempts(scene)
    assert one(rows, "payment_attempt", "status") == ("EXECUTED",)
    assert told(rows) == ["PaymentRequested", "PaymentSucceeded"]
    assert scene.simulator.ledger()["totals"]["eur"]["effects"] == 1


def test_e2_parallel_duplicates_and_two_events_for_one_change_have_one_effect(
    scene: Scene, rows: Rows, background: Background
) -> None:
    scene.simulator.post("settings", {"event_copies": 2})
    payment_id = scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(10)
    intent = one(rows, "payment", "stripe_payment_intent_id")[0]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 700})
    events = scene.events()
    for done in [background(scene.deliver, events) for _ in range(6)]:
        done.result()
    scene.process_waiting()

    assert one(rows, "payment", "payment_id, status, amount_refunded") == (str(payment_id), "SUCCEEDED", 700)
    assert one(rows, "refund", "status, amount") == ("PROCESSED", 700)
    assert told(rows) == ["PaymentRequested", "PaymentProcessing", "PaymentSucceeded", "RefundProcessed"]
    transitions = rows("SELECT refund_id, to_status FROM payment_history")
    assert len(transitions) == len({tuple(row.values()) for row in transitions})


def test_e3_late_and_repeated_events_move_no_payment_backwards(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(10)
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    before = rows("SELECT * FROM payment")
    scene.deliver(scene.events(types=["payment_intent.processing", "charge.pending", "charge.succeeded"]))
    scene.deliver(_again(each) for each in scene.events())
    after = rows("SELECT * FROM payment")
    assert [row["status"] for row in after] == ["SUCCEEDED"]
    assert after[0]["version"] == before[0]["version"]


def _again(event: Event) -> Event:
    """Another Event object for the same change."""
    return replace(event, event_id=f"{event.event_id}_again")


def test_e7_an_event_in_the_shape_of_another_api_version_is_fetched_again(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(10)
    (event,) = scene.events(types=["payment_intent.succeeded"])
    about = {
        "id": event.object_id,
        "status": "who knows",
        "metadata": event.payload["data"]["object"]["metadata"],
    }
    old = replace(event, api_version="2019-02-11", payload={**event.payload, "data": {"object": about}})
    assert scene.deliver([old]) == [EventStatus.PROCESSED]
    assert one(rows, "payment", "status") == ("SUCCEEDED",)


def test_e7_a_shape_that_nobody_can_read_is_kept_and_not_believed(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_processing")
    (event,) = scene.events(types=["payment_intent.processing"])
    broken = replace(event, payload={**event.payload, "data": {"object": {"object": "payment_intent"}}})
    assert scene.deliver([broken]) == [EventStatus.RECEIVED]
    assert one(rows, "stripe_event", "outcome") == ("UNREADABLE: KeyError",)
    assert one(rows, "payment", "status") == ("PROCESSING",)


def test_e9_an_event_of_the_other_mode_is_recorded_and_changes_nothing(scene: Scene, rows: Rows) -> None:
    scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(10)
    (event,) = scene.events(types=["payment_intent.succeeded"])
    assert scene.deliver([replace(event, livemode=True)]) == [EventStatus.IGNORED]
    assert one(rows, "stripe_event", "outcome") == ("MODE",)
    assert one(rows, "payment", "status") == ("PROCESSING",)


def test_r2_a_refunds_webhook_before_our_own_answer_makes_one_row(
    scene: Scene, rows: Rows, background: Background
) -> None:
    payment_id, refund_id = scene.charge(), uuid4()
    scene.simulator.fault("latency", when="after", endpoint="refunds.create", seconds=1)
    refunding = background(scene.refund, payment_id, refund_id=str(refund_id), amount=700)
    events = wait_until(lambda: scene.events(types=["refund.created"]))
    assert scene.deliver(events) == [EventStatus.PROCESSED]
    assert one(rows, "refund", "refund_id, status") == (str(refund_id), "PROCESSED")
    assert refunding.result().status == "PROCESSED"
    assert one(rows, "payment", "amount_refunded, amount_refund_reserved") == (700, 700)
    assert told(rows)[2:] == ["RefundRequested", "RefundProcessed"]


def test_a_pending_refund_says_what_it_waits_for_whatever_comes_late(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(payment_method="pm_card_pendingRefund")
    assert scene.refund(payment_id, amount=700).status == "PENDING"
    refund = one(rows, "refund", "stripe_refund_id")[0]
    scene.simulator.post(f"refunds/{refund}/wait", {"pending_reason": "insufficient_funds"})
    # Those of the first reason come too, after those of the second.
    scene.deliver(reversed(scene.events()))
    scene.deliver(_again(each) for each in scene.events())
    assert one(rows, "refund", "status, pending_reason") == ("PENDING", "insufficient_funds")
    assert one(rows, "payment", "amount_refunded, amount_refund_reserved") == (0, 700)
    pending = rows("SELECT data FROM outbox WHERE type = 'RefundPending' ORDER BY position")
    assert [row["data"]["reason"] for row in pending] == ["processing", "insufficient_funds"]

    scene.simulator.post(f"refunds/{refund}/succeed")
    scene.deliver(scene.events())
    assert one(rows, "refund", "status, pending_reason") == ("PROCESSED", None)
    assert told(rows)[2:] == ["RefundRequested", "RefundPending", "RefundPending", "RefundProcessed"]
    steps = rows(
        "SELECT detail ->> 'pending_reason' AS reason FROM payment_history WHERE to_status = 'PENDING'"
        " ORDER BY history_id"
    )
    assert [row["reason"] for row in steps] == ["processing", "insufficient_funds"]


def test_r4_a_refund_that_fails_days_later_releases_its_amount_and_is_published(
    scene: Scene, rows: Rows
) -> None:
    payment_id = scene.charge(payment_method="pm_card_refundFail")
    assert scene.refund(payment_id).status == "PROCESSED"
    assert scene.refund(payment_id, amount=100).reason == "nothing_left_to_refund"
    scene.advance(3 * 86_400)
    scene.deliver(scene.events())
    failed = rows.one("SELECT status, failure_reason FROM refund WHERE amount = 5000")
    assert failed["status"] == "FAILED"
    assert failed["failure_reason"]
    assert one(rows, "payment", "amount_refunded, amount_refund_reserved") == (0, 0)
    assert told(rows)[-1] == "RefundFailed"
    assert scene.refund(payment_id, amount=100).status == "PROCESSED"


def test_r5_cumulative_amounts_of_swapped_partial_refunds_end_right(scene: Scene, rows: Rows) -> None:
    scene.charge()
    intent = one(rows, "payment", "stripe_payment_intent_id")[0]
    for amount in (1000, 300, 70):
        scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": amount})
    cumulative = scene.events(types=["charge.refunded"])
    assert len(cumulative) == 3
    scene.deliver(reversed(cumulative))
    scene.deliver(reversed(scene.events()))
    assert one(rows, "payment", "amount_refunded, amount_refund_reserved") == (1370, 1370)
    assert {row["amount"] for row in rows("SELECT amount FROM refund")} == {1000, 300, 70}


def test_r6_a_refund_made_in_the_dashboard_is_adopted_once(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    intent = one(rows, "payment", "stripe_payment_intent_id")[0]
    scene.simulator.post(f"payment_intents/{intent}/refund", {"amount": 4000})
    scene.deliver(scene.events())
    assert one(rows, "refund", "status, amount, requested_by") == ("PROCESSED", 4000, None)
    assert scene.refund(payment_id, amount=1001).reason == "amount_exceeds_refundable"
    assert scene.refund(payment_id).status == "PROCESSED"
    assert one(rows, "payment", "amount_refunded") == (5000,)


def test_m2_fee_and_net_arrive_later_and_block_nothing(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    scene.deliver(scene.events())
    assert one(rows, "payment", "status, fee, net") == ("SUCCEEDED", None, None)
    assert scene.refund(payment_id, amount=100).status == "PROCESSED"
    version = one(rows, "payment", "version")
    scene.simulator.fault("unavailable", endpoint="balance_transactions.retrieve", times=2)
    scene.advance(10)
    scene.deliver(scene.events())
    assert one(rows, "payment", "status, fee") == ("SUCCEEDED", None)
    scene.process_waiting()
    status, fee, net, currency = one(rows, "payment", "status, fee, net, settlement_currency")
    assert (status, fee + net, currency) == ("SUCCEEDED", 5000, "EUR")
    assert fee > 0
    assert one(rows, "payment", "version") == version


def test_a_decline_that_arrives_twice_is_published_once(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(payment_method="pm_card_visa_chargeDeclined")
    scene.deliver([*scene.events(), *map(_again, scene.events())])
    assert isinstance(payment_id, UUID)
    assert told(rows) == ["PaymentRequested", "PaymentFailed"]
