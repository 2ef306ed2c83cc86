"""While Stripe is down it is left in peace; once it is back all goes on, and nobody has spent an attempt on it."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.attempts.execute import run_if_due
from payment_worker.flows.events.inbox import process_claimed
from payment_worker.flows.maintenance.sweep import claim_due
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.producer import Producer
from tests.harness.rows import Rows

FAILURES = 3
CONCURRENCY = 2
PAYMENTS = 8


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {
        **environment,
        "PAYMENT_WORKER_BREAKER_FAILURES": str(FAILURES),
        "PAYMENT_WORKER_BREAKER_COOL_DOWN": "300",
        "PAYMENT_WORKER_RESUME_EVERY": "0.5",
    }


def requests_heard(simulator: Simulator) -> int:
    counts: dict[str, dict[str, int]] = simulator.get("requests")
    return sum(sum(each.values()) for each in counts.values())


def held(rows: Rows, *, tries: int) -> int:
    query = "SELECT count(*) AS held FROM payment_attempt WHERE error_code = 'stripe_down' AND tries >= %s"
    return int(rows.one(query, tries)["held"])


def test_after_some_failures_nothing_more_is_sent_though_work_comes_back_again_and_again(
    worker: Callable[..., Process],
    beat: Callable[..., Process],
    producer: Producer,
    simulator: Simulator,
    rows: Rows,
) -> None:
    simulator.fault("unavailable", times=None)
    worker(pool="threads", concurrency=CONCURRENCY)
    beat()
    for _ in range(PAYMENTS):
        producer.charge_something(amount=1000)
    # Each has met the breaker, most of them several times.
    wait_until(lambda: held(rows, tries=1) == PAYMENTS and held(rows, tries=3) > PAYMENTS / 2, seconds=60)
    # The one that opens it, and those that had begun before.
    assert FAILURES <= requests_heard(simulator) < FAILURES + CONCURRENCY


def test_one_probe_at_a_time_finds_stripe_back_and_every_payment_ends_with_its_first_attempt(
    worker: Callable[..., Process],
    beat: Callable[..., Process],
    producer: Producer,
    simulator: Simulator,
    rows: Rows,
) -> None:
    failing_probes = 1
    simulator.fault("unavailable", times=FAILURES + CONCURRENCY - 1 + failing_probes)
    worker(pool="threads", concurrency=CONCURRENCY, settings={"PAYMENT_WORKER_BREAKER_COOL_DOWN": "0.3"})
    beat()
    for payment_id in [producer.charge_something(amount=1000) for _ in range(PAYMENTS)]:
        rows.wait_for(
            "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", payment_id, seconds=60
        )
    attempts = rows("SELECT number, status FROM payment_attempt")
    assert [(each["number"], each["status"]) for each in attempts] == [(1, "EXECUTED")] * PAYMENTS
    assert simulator.ledger()["totals"]["eur"]["effects"] == PAYMENTS


def test_what_was_never_sent_has_no_key_that_grows_too_old(
    scene: Scene, rows: Rows, simulator: Simulator, redis_client: "redis.Redis"
) -> None:
    simulator.fault("unavailable", times=FAILURES)
    while not rows("SELECT 1 FROM payment_attempt WHERE never_sent"):
        payment_id = scene.charge()
    scene.advance(timedelta(hours=30).total_seconds())
    redis_client.flushdb()
    (attempt,) = rows("SELECT attempt_id, error_code FROM payment_attempt WHERE never_sent")
    assert attempt["error_code"] == "stripe_down"
    run_if_due(scene.context, attempt["attempt_id"])
    assert rows.one("SELECT status FROM payment WHERE payment_id = %s", payment_id)["status"] == "SUCCEEDED"
    assert rows("SELECT number FROM payment_attempt WHERE payment_id = %s", payment_id) == [{"number": 1}]


def test_however_long_it_is_down_no_event_is_given_up(
    scene: Scene, rows: Rows, simulator: Simulator, redis_client: "redis.Redis"
) -> None:
    payment_id = scene.charge()
    simulator.advance(5)
    fault = simulator.fault("unavailable", times=None)
    while not scene.context.stripe.breaker_is_open(account=""):
        scene.context.stripe.payment_intent("pi_any", account="")
    scene.deliver(scene.events(types=["charge.updated"]))
    for _ in range(30):
        scene.clock.advance(100)
        for each in claim_due(scene.context, ALL_DUE).events:
            process_claimed(scene.context, **asdict(each))
    assert rows.one("SELECT status FROM stripe_event") == {"status": "RECEIVED"}
    simulator.delete(f"faults/{fault}")
    redis_client.flushdb()
    scene.process_waiting()
    assert rows.one("SELECT status FROM stripe_event") == {"status": "PROCESSED"}
    payment = rows.one("SELECT fee + net AS booked FROM payment WHERE payment_id = %s", payment_id)
    assert payment == {"booked": 5000}
