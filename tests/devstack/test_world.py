"""The fixtures give each test a whole world of its own, and real workers in it that can be hurt."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import wait_until
from tests.harness.fault_proxy import FaultProxy
from tests.harness.producer import Producer
from tests.harness.rows import Rows

Start = Callable[..., Process]


def _wait_until_charged(rows: Rows, payment_id: str) -> None:
    rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", payment_id)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_takes_what_a_producer_sends(
    pool: str, worker: Start, producer: Producer, rows: Rows, simulator: Simulator
) -> None:
    worker(pool=pool)
    payment_id = producer.charge_something()
    _wait_until_charged(rows, payment_id)
    (intent,) = simulator.ledger()["payment_intents"]
    assert (intent["captured"], intent["effects"]) == (10_000, 1)


@pytest.mark.parametrize("again", [1, 2])
def test_each_test_begins_with_nothing(
    again: int, rows: Rows, simulator: Simulator, producer: Producer, worker: Start
) -> None:
    assert rows.one("SELECT count(*) FROM payment") == {"count": 0}, again
    assert simulator.journal() == []
    worker(concurrency=1)
    _wait_until_charged(rows, producer.charge_something())


def test_a_killed_worker_leaves_no_child_and_can_start_again(
    worker: Start, producer: Producer, rows: Rows
) -> None:
    one = worker(concurrency=2)
    children = one.descendants()
    assert len(children) >= 2
    assert one.kill() == 128 + signal.SIGKILL
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    one.start().wait_ready()
    _wait_until_charged(rows, producer.charge_something())


def test_a_single_child_can_be_killed(worker: Start) -> None:
    one = worker(concurrency=1)
    (child, *_) = before = one.descendants()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: set(one.descendants()) - set(before), what="another child")
    assert one.running


def test_beat_sends_what_is_due(beat: Start, worker: Start, rows: Rows, producer: Producer) -> None:
    worker(concurrency=1)
    beat(settings={"PAYMENT_WORKER_PUBLISH_EVERY": "0.5"})
    _wait_until_charged(rows, producer.charge_something())


def test_webhooks_reach_the_worker(
    stripe_webhooks: str, worker: Start, simulator: Simulator, rows: Rows
) -> None:
    worker(concurrency=1)
    simulator.post("payment_intents", {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa"})
    assert rows.wait_for("SELECT status FROM stripe_event WHERE status <> 'RECEIVED'")
    assert stripe_webhooks.startswith("we_")


def test_a_worker_reaches_its_database_through_a_proxy(
    environment: dict[str, str],
    fault_proxy: Callable[[str], FaultProxy],
    worker: Start,
    producer: Producer,
    rows: Rows,
) -> None:
    proxy = fault_proxy(environment["DATABASE_URL"])
    environment["DATABASE_URL"] = proxy.url
    worker(concurrency=1)
    _wait_until_charged(rows, producer.charge_something())


def test_a_server_of_its_own_comes_with_a_migrated_database(own_postgresql: PostgreSQL) -> None:
    own_postgresql.restart()
    own_postgresql.execute("SELECT payment_id FROM payment", database="payments")
