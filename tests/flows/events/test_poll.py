"""Lost webhooks lose nothing: the poll finds every event once, with few requests, wherever a poll was killed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.flows.context import Context
from payment_worker.flows.events.inbox import claim_new
from payment_worker.flows.events.poll import TYPES, PollOptions, PollResult, poll
from payment_worker.store.connection.advisory_lock import POLL_LOCK, alone
from payment_worker.store.connection.database import Database
from payment_worker.store.events.inbox import EventStatus
from tests.flows.scene import Scene, process_new
from tests.harness.rows import Rows

OVERLAP = timedelta(seconds=300)

Poll = Callable[..., PollResult | None]


@pytest.fixture
def poll_and_process(context: Context) -> Poll:
    """A poll whose events are processed at once, as workers do."""

    def once(**manner: Any) -> PollResult | None:  # noqa: ANN401 - parts of a Manner
        return poll(
            context, replace(PollOptions(overlap=OVERLAP, notify=lambda: process_new(context)), **manner)
        )

    return once


def a_page_of_foreign_events(scene: Scene, count: int) -> None:
    for _ in range(count):
        scene.simulator.post(
            "events", {"type": "payment_intent.processing", "object": {"id": "pi_foreign", "metadata": {}}}
        )


def states(rows: Rows) -> list[tuple[object, ...]]:
    payments = rows(
        "SELECT status, amount_refunded, is_disputed, fee, version FROM payment ORDER BY payment_id"
    )
    refunds = rows("SELECT status, amount, version FROM refund ORDER BY refund_id")
    told = rows("SELECT type, payment_id FROM outbox ORDER BY position")
    return [tuple(row.values()) for row in (*payments, *refunds, *told)]


def an_hour_of_news(scene: Scene) -> dict[str, dict[str, object]]:
    """What happened at Stripe while nobody told us, and how each payment must end."""
    slow = scene.charge(payment_method="pm_card_processing")
    refunded, failing = scene.charge(), scene.charge(payment_method="pm_card_refundFail")
    disputed = scene.charge(payment_method="pm_card_createDispute")
    scene.refund(failing, amount=700)
    for intent in scene.simulator.ledger()["payment_intents"]:
        if intent["metadata"]["payment_id"] == str(refunded):
            scene.simulator.post(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
    scene.advance(3600)
    ordinary = {
        "status": "SUCCEEDED",
        "amount_refunded": 0,
        "amount_refund_reserved": 0,
        "is_disputed": False,
    }
    return {
        str(slow): ordinary,
        str(failing): ordinary,
        str(refunded): {**ordinary, "amount_refunded": 1200, "amount_refund_reserved": 1200},
        str(disputed): {**ordinary, "is_disputed": True},
    }


def assert_ended(rows: Rows, expected: dict[str, dict[str, object]]) -> None:
    payments = {row["payment_id"]: row for row in rows("SELECT * FROM payment")}
    ended = {key: {name: payments[key][name] for name in value} for key, value in expected.items()}
    assert ended == expected
    assert all(row["fee"] is not None for row in payments.values())
    assert rows("SELECT 1 FROM stripe_event WHERE status NOT IN ('PROCESSED', 'IGNORED')") == []
    told = rows("SELECT payment_id, type FROM outbox")
    assert len(told) == len({tuple(row.values()) for row in told})


def test_e8_an_hour_of_lost_webhooks_is_brought_right_by_the_poll_alone(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    expected = an_hour_of_news(scene)
    poll_and_process()
    assert_ended(rows, expected)


def test_the_first_poll_begins_before_our_clocks_now_for_stripes_may_be_behind(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    scene.simulator.post("settings", {"clock_skew_seconds": -3000})
    scene.charge(payment_method="pm_card_processing")
    scene.simulator.advance(60)
    poll_and_process()
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_with_the_poll_off_an_hour_of_webhooks_brings_all_right(scene: Scene, rows: Rows) -> None:
    expected = an_hour_of_news(scene)
    scene.deliver(scene.events())
    scene.process_waiting()
    assert_ended(rows, expected)


def test_with_both_and_all_of_it_twice_nothing_happens_twice(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    expected = an_hour_of_news(scene)
    for _ in range(2):
        poll_and_process()
        scene.deliver(replace(each, event_id=f"{each.event_id}_again") for each in scene.events())
    scene.process_waiting()
    assert_ended(rows, expected)


def test_what_both_webhook_and_poll_bring_and_all_of_it_twice_happens_once(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    payment_id = scene.charge(payment_method="pm_card_createDispute")
    scene.refund(payment_id, amount=700)
    scene.advance(3600)
    scene.deliver(scene.events()[::2])
    poll_and_process()
    before = states(rows)

    scene.deliver(scene.events() * 2)
    poll_and_process()
    poll_and_process()

    assert states(rows) == before
    types = [row["type"] for row in rows("SELECT type FROM outbox")]
    assert len(types) == len(set(types)), types


def test_an_event_that_becomes_visible_late_is_found_within_the_overlap(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    scene.simulator.post("settings", {"event_lag_seconds": 200, "event_lag_every": 2})
    scene.charge(payment_method="pm_card_processing")
    scene.advance(10)
    scene.charge()
    poll_and_process()
    late = len(rows("SELECT 1 FROM stripe_event"))
    scene.advance(201)
    scene.charge()
    poll_and_process()
    scene.advance(201)
    poll_and_process()

    heard = {row["event_id"] for row in rows("SELECT event_id FROM stripe_event")}
    assert heard == {event.event_id for event in scene.events(types=TYPES)}
    assert late < len(heard)
    assert {row["status"] for row in rows("SELECT status FROM payment")} == {"SUCCEEDED"}


def test_a_poll_without_new_events_costs_one_request(scene: Scene, poll_and_process: Poll) -> None:
    scene.charge()
    scene.advance(3600)
    poll_and_process()
    scene.advance(3600)
    assert poll_and_process() == PollResult(requests=1, new=0, is_finished=True)


def test_nothing_is_asked_before_there_is_a_payment(poll_and_process: Poll) -> None:
    assert poll_and_process() == PollResult(requests=0, new=0, is_finished=True)


def test_a_poll_that_is_killed_is_gone_on_with_and_reads_no_page_twice(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    payment_id = scene.charge(payment_method="pm_card_processing")
    scene.advance(10)
    a_page_of_foreign_events(scene, 250)
    pages = iter([True, False])
    first = poll_and_process(has_time=lambda: next(pages))
    assert first == PollResult(requests=1, new=100, is_finished=False)
    assert rows.one("SELECT status FROM payment")["status"] == "PROCESSING"
    a_page_of_foreign_events(scene, 30)

    second = poll_and_process()

    assert second is not None
    assert second.requests == 2
    row = rows.one("SELECT status FROM payment WHERE payment_id = %s", str(payment_id))
    assert row["status"] == "SUCCEEDED"
    third = poll_and_process()
    assert third is not None
    assert third.new == 30


def test_a_window_whose_place_stripe_has_forgotten_is_opened_anew(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    scene.charge()
    a_page_of_foreign_events(scene, 150)
    pages = iter([True, False])
    poll_and_process(has_time=lambda: next(pages))
    rows("UPDATE event_poll SET cursor = 'evt_forgotten'")
    poll_and_process()
    result = poll_and_process()
    assert result is not None
    assert result.is_finished


def test_a_list_that_cannot_be_read_moves_nothing(scene: Scene, rows: Rows, poll_and_process: Poll) -> None:
    scene.charge()
    scene.simulator.fault("unavailable", endpoint="events.list")
    assert poll_and_process() == PollResult(requests=1, new=0, is_finished=False)
    assert rows("SELECT 1 FROM event_poll") == []
    result = poll_and_process()
    assert result is not None
    assert result.new > 0


def test_an_unreadable_account_delays_no_other(scene: Scene, rows: Rows, poll_and_process: Poll) -> None:
    for account in ("acct_closed", "acct_open"):
        scene.charge(payment_method="pm_card_processing", stripe_account=account)
    scene.simulator.post("accounts/disconnect", {"account": "acct_closed"})
    scene.advance(3600)
    for _ in range(3):  # as many as there are accounts, each with time for one page
        pages = iter([True, False])
        poll_and_process(has_time=lambda pages=pages: next(pages, False))
    payments = rows("SELECT stripe_account, status FROM payment ORDER BY stripe_account")
    assert [row["status"] for row in payments] == ["PROCESSING", "SUCCEEDED"]

    scene.simulator.post("accounts/connect", {"account": "acct_closed"})
    poll_and_process()
    assert {row["status"] for row in rows("SELECT status FROM payment")} == {"SUCCEEDED"}


def test_c6_a_second_poll_at_the_same_time_leaves_at_once(
    scene: Scene, database_url: str, poll_and_process: Poll
) -> None:
    scene.charge()
    elsewhere = Database(database_url)
    with alone(elsewhere, POLL_LOCK) as is_ours:
        assert is_ours
        assert poll_and_process() is None
    elsewhere.close()
    assert poll_and_process() is not None


def test_the_events_of_connected_accounts_are_polled_too(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    scene.charge(payment_method="pm_card_processing", stripe_account="acct_one")
    scene.charge(payment_method="pm_card_processing", stripe_account="acct_two")
    scene.advance(3600)
    poll_and_process()
    assert [row["status"] for row in rows("SELECT status FROM payment")] == ["SUCCEEDED"] * 2
    accounts = {row["stripe_account"] for row in rows("SELECT stripe_account FROM stripe_event")}
    assert accounts == {"acct_one", "acct_two"}


def test_an_event_whose_owner_died_is_processed_by_the_sweep(
    scene: Scene, rows: Rows, poll_and_process: Poll
) -> None:
    scene.charge(payment_method="pm_card_processing")
    scene.advance(3600)
    poll_and_process(notify=lambda: None)
    assert claim_new(scene.context)
    assert {row["status"] for row in rows("SELECT status FROM stripe_event")} == {EventStatus.RECEIVED}
    scene.process_waiting()
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_beat_and_a_worker_poll_by_themselves(
    scene: Scene, rows: Rows, worker: Callable[..., Process], beat: Callable[..., Process]
) -> None:
    settings = {"PAYMENT_WORKER_POLL_EVERY": "0.5"}
    scene.charge(payment_method="pm_card_processing")
    scene.advance(3600)
    worker(settings=settings, pool="threads")
    beat(settings=settings)
    rows.wait_for("SELECT 1 FROM payment WHERE status = 'SUCCEEDED' AND fee IS NOT NULL")
    # The reconciliation, which beat enqueues at its start, may have been first.
    rows.wait_for("SELECT 1 FROM stripe_event WHERE status = 'PROCESSED'")
    assert {row["source"] for row in rows("SELECT source FROM stripe_event")} == {"poll"}
