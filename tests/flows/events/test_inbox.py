"""An event that cannot be processed is tried again, parked in the end with its reason, and can be replayed."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest

from payment_worker.domain.attempts.backoff import backoff_delay
from payment_worker.flows.context import Context
from payment_worker.flows.events.event_types import SUBJECTS, Subject
from payment_worker.flows.events.inbox import (
    MOST_TRIES,
    claim_new,
    process_claimed,
    process_together,
    receive,
    receive_all,
)
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.gateway.webhook import Event
from payment_worker.store.events import event_list
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Clock, Scene
from tests.harness.length import long
from tests.harness.rows import Rows

BROKEN = """
INSERT INTO stripe_event (event_id, type, livemode, payload, status, source, next_action_at, created_at, received_at)
VALUES ('evt_1', 'payment_intent.succeeded', false, '{}', 'RECEIVED', 'webhook', now(), now(), now())
"""
EVENT = "SELECT * FROM stripe_event"
WAITING = "SELECT event_id FROM stripe_event WHERE status = 'RECEIVED' ORDER BY event_id"


def _arrive(scene: Scene, events: Sequence[Event], *, source: str = "webhook") -> list[bool]:
    return receive_all(scene.context.database, events, source=source, clock=scene.context.clock)


def test_an_event_that_breaks_its_handler_is_parked_with_the_place_where_it_broke(
    scene: Scene, rows: Rows
) -> None:
    scene.charge(payment_method="pm_card_processing")
    rows("ALTER TABLE payment ADD CHECK (status <> 'SUCCEEDED')")
    scene.simulator.advance(3600)
    _arrive(scene, scene.events(types=["payment_intent.succeeded"]))

    scene.process_waiting()

    row = rows.one(EVENT)
    assert (row["status"], row["tries"]) == ("PARKED", MOST_TRIES)
    assert row["outcome"].startswith("BROKEN: sqlalchemy.exc.IntegrityError at payment_worker.store.")


def test_an_event_that_does_not_say_of_what_it_is_is_parked(scene: Scene, rows: Rows) -> None:
    rows(BROKEN)

    scene.process_waiting()

    row = rows.one(EVENT)
    assert (row["status"], row["outcome"]) == ("PARKED", "UNREADABLE: KeyError")


def test_a_parked_event_is_processed_once_it_is_replayed_and_can_be(scene: Scene, rows: Rows) -> None:
    rows(BROKEN)
    scene.process_waiting()
    payload = '{"data": {"object": {"id": "pi_of_another_app"}}}'
    rows("UPDATE stripe_event SET payload = %s, api_version = 'old'", payload)

    with scene.context.database.begin() as connection:
        due = event_list.replay(connection, event_ids=None, reason="mended", now=scene.clock())
    assert due == ["evt_1"]
    scene.process_waiting()

    row = rows.one(EVENT)
    assert (row["status"], row["tries"]) == ("IGNORED", 1)


@pytest.mark.parametrize("fault", ["lock_timeout", long("unauthorized"), long("rate_limited")])
def test_no_event_is_parked_while_stripe_is_throttled_or_down(scene: Scene, rows: Rows, fault: str) -> None:
    refunded = scene.charge()
    scene.charge(payment_method="pm_card_processing")
    scene.charge(payment_method="pm_card_createDispute")
    ours = rows.one("SELECT * FROM payment WHERE payment_id = %s", str(refunded))
    scene.simulator.post(f"payment_intents/{ours['stripe_payment_intent_id']}/refund", {"amount": 700})
    scene.simulator.advance(60)
    scene.simulator.fault(fault, method="GET", times=None)
    # In the shape of another version each object is fetched, whatever the event is about.
    scene.deliver(replace(event, api_version="2020-08-27") for event in scene.events(types=SUBJECTS))
    waiting = rows(WAITING)
    assert len(waiting) >= len(Subject)

    for _ in range(MOST_TRIES):
        scene.clock.advance(1000)
        scene.process_due()

    assert rows(WAITING) == waiting
    scene.simulator.delete("faults")
    scene.process_waiting()
    assert {row["status"] for row in rows(EVENT)} <= {"PROCESSED", "IGNORED"}
    assert {row["status"] for row in rows("SELECT status FROM payment")} == {"SUCCEEDED"}
    money = rows.one("SELECT sum(amount_refunded) AS refunded, bool_or(is_disputed) AS disputed FROM payment")
    assert (int(money["refunded"]), money["disputed"]) == (700, True)


def test_an_event_is_tried_for_half_an_hour_before_it_is_parked() -> None:
    waits = [backoff_delay(tries, jitter=0.5) for tries in range(1, MOST_TRIES)]
    assert timedelta(minutes=30) < sum(waits, timedelta()) < timedelta(minutes=35)


def test_an_event_that_kills_its_worker_each_time_is_parked(scene: Scene, rows: Rows) -> None:
    rows(BROKEN.replace("{}", '{"data": {"object": {"id": "pi_1"}}}'))
    assert claim_new(scene.context), "the first worker dies with it among others"

    for _ in range(1 + MOST_TRIES):  # the first, which is early, is not counted as it begins
        with pytest.raises(SystemExit):
            _process_due(scene, replace(scene.context, clock=_DeadlyClock(scene.clock)))
        assert rows.one(EVENT)["status"] == "RECEIVED"
    _process_due(scene, scene.context)

    row = rows.one(EVENT)
    assert (row["status"], row["outcome"]) == ("PARKED", "FATAL")


def test_an_event_that_kills_its_worker_takes_no_other_with_it_twice(scene: Scene, rows: Rows) -> None:
    rows(BROKEN.replace("evt_1", "evt_deadly"))
    rows(BROKEN.replace("payment_intent.succeeded", "of_no_use"))
    assert len(claim_new(scene.context)) == len(["evt_deadly", "evt_1"])

    scene.clock.advance(1000)
    assert not claim_new(scene.context), "what was claimed before is processed alone"
    for each in claim_due(scene.context, ALL_DUE).events:
        clock = _DeadlyClock(scene.clock) if each.event_id == "evt_deadly" else scene.clock
        with suppress(SystemExit):
            process_claimed(replace(scene.context, clock=clock), **asdict(each))

    states = {row["event_id"]: (row["status"], row["tries"]) for row in rows(EVENT)}
    assert states == {"evt_deadly": ("RECEIVED", 1), "evt_1": ("IGNORED", 1)}


def test_an_event_that_breaks_those_beside_it_is_set_apart(scene: Scene, rows: Rows) -> None:
    good, bad = (scene.charge(payment_method="pm_card_processing") for _ in range(2))
    rows(f"ALTER TABLE payment ADD CHECK (payment_id <> '{bad}' OR status <> 'SUCCEEDED')")
    scene.simulator.advance(3600)
    _arrive(scene, scene.events(types=["payment_intent.succeeded"]))

    left = process_together(scene.context, claim_new(scene.context))
    assert len(left) == len([good, bad]), "PostgreSQL undid all that their transaction had done"
    for each in left:
        process_claimed(scene.context, **asdict(each))

    ended = rows("SELECT split_part(outcome, ' ', 1) AS outcome, status FROM stripe_event ORDER BY status")
    assert [tuple(each.values()) for each in ended] == [("CHANGED", "PROCESSED"), ("BROKEN:", "RECEIVED")]
    states = {row["payment_id"]: row["status"] for row in rows("SELECT payment_id, status FROM payment")}
    assert states == {str(good): "SUCCEEDED", str(bad): "PROCESSING"}


def test_an_event_that_cannot_be_read_is_set_apart_alone(scene: Scene) -> None:
    scene.charge()
    (good,) = scene.events(types=["payment_intent.succeeded"])
    (charge,) = scene.events(types=["charge.succeeded"])
    fields = {**charge.payload["data"]["object"], "amount_refunded": "all"}
    bad = replace(
        charge,
        event_id="evt_bad",
        type="charge.refunded",
        payload={**charge.payload, "data": {"object": fields}},
    )
    _arrive(scene, [bad, good], source="webhook")

    left = process_together(scene.context, claim_new(scene.context))

    assert [each.event_id for each in left] == ["evt_bad"]


def test_events_without_a_change_are_finished_together_without_a_request_to_stripe(
    scene: Scene, rows: Rows
) -> None:
    for _ in range(3):
        scene.charge()
    events = scene.events()
    _arrive(scene, events)
    scene.simulator.fault("unavailable", times=None)

    assert not process_together(scene.context, claim_new(scene.context))

    assert len(events) >= 3 * len(["created", "charge succeeded", "succeeded"])
    assert {row["status"] for row in rows(EVENT)} == {"PROCESSED", "IGNORED"}
    assert {row["tries"] for row in rows(EVENT)} == {1}


def test_fees_of_many_charges_are_recorded_with_one_request(scene: Scene, rows: Rows) -> None:
    for _ in range(3):
        scene.charge()
    scene.simulator.advance(60)
    _arrive(scene, scene.events(types=["charge.updated"]))
    # Retrieving one by one is impossible; listing is not.
    scene.simulator.fault("server_error", endpoint="balance_transactions.retrieve", times=None)

    assert not process_together(scene.context, claim_new(scene.context))

    assert {row["outcome"] for row in rows(EVENT)} == {"CHANGED"}
    fees = rows("SELECT fee + net AS amount, settlement_currency FROM payment")
    assert [tuple(each.values()) for each in fees] == [(5000, "EUR")] * 3


def test_fees_are_found_behind_a_page_of_other_transactions(scene: Scene, rows: Rows) -> None:
    for _ in range(2):
        scene.charge()
    scene.simulator.advance(60)
    events = scene.events(types=["charge.updated"])
    topup = {"type": "topup", "amount": 1, "currency": "eur", "created": events[-1].payload["created"]}
    for _ in range(101):
        scene.simulator.post("balance_transactions", topup)
    _arrive(scene, events)
    scene.simulator.fault("server_error", endpoint="balance_transactions.retrieve", times=None)

    assert not process_together(scene.context, claim_new(scene.context))

    assert {row["outcome"] for row in rows(EVENT)} == {"CHANGED"}


def test_the_fee_of_one_charge_is_retrieved(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.simulator.advance(60)
    _arrive(scene, scene.events(types=["charge.updated"]))
    scene.simulator.fault("server_error", endpoint="balance_transactions.list", times=None)

    assert not process_together(scene.context, claim_new(scene.context))

    assert rows.one("SELECT fee + net AS amount FROM payment") == {"amount": 5000}


def test_fees_that_are_not_on_the_list_are_retrieved(scene: Scene, rows: Rows) -> None:
    for _ in range(2):
        scene.charge()
    scene.simulator.advance(60)
    _arrive(scene, scene.events(types=["charge.updated"]))
    scene.simulator.fault("server_error", endpoint="balance_transactions.list", times=None)

    for each in process_together(scene.context, claim_new(scene.context)):
        process_claimed(scene.context, **asdict(each))

    assert {row["outcome"] for row in rows(EVENT)} == {"CHANGED"}


def test_a_payment_whose_id_is_not_known_yet_is_found_by_what_it_proves(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    assert rows.one("SELECT stripe_payment_intent_id AS id FROM payment")["id"] is None
    _arrive(scene, scene.events(types=["payment_intent.succeeded"]))
    scene.simulator.fault("unavailable", times=None)

    assert not process_together(scene.context, claim_new(scene.context))

    assert rows.one("SELECT status FROM payment WHERE payment_id = %s", payment_id)["status"] == "SUCCEEDED"


class _DeadlyClock:
    """Tells when work begins, and kills whoever would note when it ended."""

    def __init__(self, clock: Clock) -> None:
        self._times = iter([clock()])

    def __call__(self) -> datetime:
        for time in self._times:
            return time
        raise SystemExit


def _process_due(scene: Scene, context: Context) -> None:
    scene.clock.advance(1000)
    (due,) = claim_due(scene.context, ALL_DUE).events
    process_claimed(context, **asdict(due))


def test_a_batch_is_stored_in_one_go_each_event_once(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("payment_intents", {"amount": 5000, "currency": "eur"})
    first, second, *others = scene.events()
    assert receive(scene.context, second, source="webhook")

    stored = _arrive(scene, [first, second, first, *others], source="poll")

    assert stored == [True, False, False, *(True for _ in others)]
    sources = rows("SELECT source, count(*) AS events FROM stripe_event GROUP BY source ORDER BY source")
    assert [(row["source"], row["events"]) for row in sources] == [("poll", 1 + len(others)), ("webhook", 1)]
