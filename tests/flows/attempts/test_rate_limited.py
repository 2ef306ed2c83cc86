"""Stripe's "too many requests" is never a decline: it costs no attempt, the payment is untouched and goes on soon."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.flows.attempts.execute import run_if_due
from payment_worker.flows.maintenance.sweep import claim_due
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.producer import Producer
from tests.harness.rows import Rows

LIMITED = ("rate_limited", "rate_limited_html", "lock_timeout")
STRIPES_RATE, RATE = 20, 10
"""Half of what Stripe allows: a busy machine may hold calls up for a second, and then they come together."""
CALLS = 50


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Its lease leaves no time for a second call in one run: what is limited is put off at once."""
    policy = replace(scene.context.policy, lease=timedelta(seconds=10.2))
    return replace(scene, context=replace(scene.context, policy=policy))


def attempt_of(rows: Rows, payment_id: UUID) -> dict[str, Any]:
    return rows.one("SELECT * FROM payment_attempt WHERE payment_id = %s", payment_id)


def come_back(scene: Scene, rows: Rows, payment_id: UUID) -> timedelta:
    """Let the attempt be due, and work on it. How long it had been put off."""
    attempt = attempt_of(rows, payment_id)
    due_at: datetime = attempt["next_action_at"]
    reschedule = due_at - scene.clock()
    scene.clock.advance(reschedule.total_seconds() + 1)
    claim_due(scene.context, ALL_DUE)
    scene.clock.advance(11)
    run_if_due(scene.context, attempt["attempt_id"])
    return reschedule


@pytest.mark.parametrize("kind", LIMITED)
def test_k10_a_limit_that_passes_within_seconds_is_waited_for_with_the_same_key(
    scene: Scene, rows: Rows, simulator: Simulator, kind: str
) -> None:
    patient = replace(scene.context, policy=replace(scene.context.policy, lease=timedelta(seconds=60)))
    simulator.fault(kind, times=3, endpoint="payment_intents.create")
    payment_id = replace(scene, context=patient).charge()
    assert rows.one("SELECT status FROM payment WHERE payment_id = %s", payment_id)["status"] == "SUCCEEDED"
    heard = simulator.journal(endpoint="payment_intents.create")
    assert [(each["key"], each["effect"]) for each in heard] == [
        (f"{payment_id}:charge:1", each) for each in (False, False, False, True)
    ]
    assert len({each["body"] for each in heard}) == 1


@pytest.mark.parametrize("kind", LIMITED)
def test_k10_a_limit_that_lasts_leaves_the_payment_untouched_and_costs_no_attempt(
    scene: Scene, rows: Rows, simulator: Simulator, kind: str
) -> None:
    fault = simulator.fault(kind, times=None, endpoint="payment_intents.create")
    payment_id = scene.charge()
    for _ in range(4):
        come_back(scene, rows, payment_id)
    attempt = attempt_of(rows, payment_id)
    assert (attempt["number"], attempt["status"], attempt["unknown_reason"]) == (1, "OPEN", None)
    assert rows.one("SELECT status, failure_reason FROM payment") == {
        "status": "REQUESTED",
        "failure_reason": None,
    }
    simulator.delete(f"faults/{fault}")
    come_back(scene, rows, payment_id)
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
    assert attempt_of(rows, payment_id)["number"] == 1
    assert simulator.ledger()["totals"]["eur"]["effects"] == 1


def test_k10_however_long_it_lasts_the_payment_comes_back_within_half_a_minute(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    simulator.fault("rate_limited", times=None, endpoint="payment_intents.create")
    payment_id = scene.charge()
    reschedule = [come_back(scene, rows, payment_id) for _ in range(12)]
    assert reschedule[0] < reschedule[3] < reschedule[-1] <= timedelta(seconds=30)


def test_workers_that_know_the_rate_never_get_a_429(
    worker: Callable[..., Process], producer: Producer, simulator: Simulator, rows: Rows
) -> None:
    simulator.post("settings", {"rate_limit_per_second": STRIPES_RATE})
    workers = [
        worker(pool="threads", concurrency=8, settings={"PAYMENT_WORKER_STRIPE_RATE": str(RATE)})
        for _ in range(2)
    ]
    payment_ids = [producer.charge_something() for _ in range(CALLS)]
    for payment_id in payment_ids:
        rows.wait_for(
            "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", payment_id, seconds=60
        )
    assert answers(simulator) == ["200"]
    assert all(each.running for each in workers)


def answers(simulator: Simulator) -> Sequence[str]:
    heard: dict[str, dict[str, int]] = simulator.get("requests")
    return sorted(heard["payment_intents.create"])
