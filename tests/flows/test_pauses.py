"""A pause is obeyed within seconds and outlives restarts; what waits for it is accepted, and done once it ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import wait_until
from payment_worker.domain.attempts.attempt import Action
from payment_worker.flows import pauses as pausing
from payment_worker.flows.attempts.execute import run_if_due
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.flows.pauses import KINDS, Pauses
from tests.flows.limits import ALL_DUE
from tests.flows.scene import Scene
from tests.harness.producer import Producer
from tests.harness.rows import Rows

Command = Callable[..., dict[str, Any]]


@pytest.fixture
def command(environment: dict[str, str]) -> Command:
    """Runs `payment-worker …` as a person would, who has no key of Stripe's, and returns what it says."""
    settings = {"DATABASE_URL": environment["DATABASE_URL"]}

    def run(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "payment_worker", *arguments, "--json"],
            env=clean_environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return run


@pytest.fixture
def sweeps(beat: Callable[..., Process]) -> None:
    """Beat, with frequent sweeps."""
    beat(settings={"PAYMENT_WORKER_RESUME_EVERY": "0.5"})


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Its pauses are read anew each time, and its lease leaves no time for a second call in one run."""
    never_young = iter(range(0, 10**9, 10))
    pauses = Pauses(scene.context.database, seconds=lambda: float(next(never_young)))
    policy = replace(scene.context.policy, lease=timedelta(seconds=10.2))
    return replace(scene, context=replace(scene.context, pauses=pauses, policy=policy))


def pause(scene: Scene, kind: str = "all") -> None:
    pausing.pause(scene.context.database, kind, reason="a test", actor="test", now=scene.clock())


def resume(scene: Scene, *kinds: str) -> pausing.Resumed:
    return pausing.resume(scene.context.database, kinds, actor="test", now=scene.clock())


def perform_due(scene: Scene) -> None:
    for each in claim_due(scene.context, ALL_DUE).attempts:
        scene.clock.advance(20)
        run_if_due(scene.context, each.attempt_id)


def status(rows: Rows, payment_id: UUID | str) -> str:
    return str(rows.one("SELECT status FROM payment WHERE payment_id = %s", payment_id)["status"])


def attempts(rows: Rows, payment_id: UUID | str) -> list[dict[str, Any]]:
    return rows("SELECT * FROM payment_attempt WHERE payment_id = %s ORDER BY number", payment_id)


def posts(simulator: Simulator, payment_id: UUID | str) -> int:
    return len(simulator.journal(key=f"{payment_id}:charge:1"))


def wait_for(rows: Rows, payment_id: str, wanted: str) -> None:
    rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND status = %s", payment_id, wanted, seconds=40
    )


@pytest.mark.usefixtures("sweeps")
def test_a_running_worker_pauses_within_seconds_and_so_does_the_one_after_it(
    worker: Callable[..., Process],
    producer: Producer,
    simulator: Simulator,
    rows: Rows,
    command: Command,
) -> None:
    first = worker(concurrency=1)
    paid = producer.charge_something()
    wait_for(rows, paid, "SUCCEEDED")

    said = command("pause", "--kind", "charge", "--reason", "fraud wave")
    assert (said["paused"]["kind"], said["is_new"]) == ("charge", True)
    waiting: list[str] = []

    def obeyed() -> bool:
        waiting.append(producer.charge_something())
        tried = "SELECT 1 FROM payment_attempt WHERE payment_id = %s AND (tries > 0 OR status = 'EXECUTED')"
        rows.wait_for(tried, waiting[-1])
        return posts(simulator, waiting[-1]) == 0

    wait_until(obeyed, seconds=10)
    refund_id = str(uuid4())
    producer.refund(refund_id=refund_id, payment_id=paid)
    rows.wait_for("SELECT 1 FROM refund WHERE refund_id = %s AND status = 'PROCESSED'", refund_id, seconds=40)

    first.stop()
    worker(concurrency=1)
    held = producer.charge_something()
    rows.wait_for("SELECT 1 FROM payment_attempt WHERE payment_id = %s AND error_code = 'paused'", held)
    assert status(rows, held) == "REQUESTED"
    assert posts(simulator, held) == 0

    assert command("resume")["ended"] == ["charge"]
    for payment_id in [*waiting, held]:
        wait_for(rows, payment_id, "SUCCEEDED")
        assert [each["number"] for each in attempts(rows, payment_id)] == [1]
        assert posts(simulator, payment_id) == 1


def test_whoever_pauses_and_resumes_is_recorded(scene: Scene, rows: Rows) -> None:
    pause(scene, "refund")
    pause(scene, "refund")
    resume(scene)
    resume(scene)
    noted = rows("SELECT subject, action, reason, actor FROM operator_action ORDER BY operator_action_id")
    assert [tuple(each.values()) for each in noted] == [
        ("refund", "paused", "a test", "test"),
        ("refund", "resumed", None, "test"),
    ]
    assert rows("SELECT kind FROM pause") == []


def test_a_pause_of_all_holds_every_action(scene: Scene) -> None:
    assert len(KINDS) > 2
    pause(scene)
    assert all(scene.context.pauses.hold(action) for action in Action)


def test_a_pause_of_one_action_holds_no_other(scene: Scene) -> None:
    pause(scene, Action.REFUND)
    assert [action for action in Action if scene.context.pauses.hold(action)] == [Action.REFUND]


def test_what_waits_is_left_in_peace_until_the_end_makes_it_due(scene: Scene, rows: Rows) -> None:
    pause(scene)
    payment_id = scene.charge()
    (attempt,) = attempts(rows, payment_id)
    assert (attempt["never_sent"], attempt["error_code"], status(rows, payment_id)) == (
        True,
        "paused",
        "REQUESTED",
    )
    scene.clock.advance(60)
    assert not claim_due(scene.context, ALL_DUE).attempts
    assert resume(scene).due == 1
    perform_due(scene)
    assert status(rows, payment_id) == "SUCCEEDED"


def test_a_pause_that_stands_on_keeps_its_own(scene: Scene, rows: Rows) -> None:
    pause(scene, "charge")
    pause(scene)
    payment_id = scene.charge()
    resumed = resume(scene, "all")
    assert (resumed.ended, resumed.due, resumed.still) == (["all"], 0, ["charge"])
    assert not claim_due(scene.context, ALL_DUE).attempts
    assert status(rows, payment_id) == "REQUESTED"


def test_a_pause_may_be_longer_than_any_key_lives(scene: Scene, rows: Rows) -> None:
    pause(scene)
    payment_id = scene.charge()
    for _ in range(5):
        scene.advance(timedelta(hours=20).total_seconds())
        perform_due(scene)
    assert status(rows, payment_id) == "REQUESTED"
    resume(scene)
    perform_due(scene)
    assert status(rows, payment_id) == "SUCCEEDED"
    assert [each["number"] for each in attempts(rows, payment_id)] == [1]


def test_what_may_have_been_sent_is_looked_up_meanwhile(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    simulator.fault("empty", when="after", endpoint="payment_intents.create")
    payment_id = scene.charge()
    assert [each["status"] for each in attempts(rows, payment_id)] == ["UNKNOWN"]
    pause(scene)
    scene.clock.advance(60)
    perform_due(scene)
    assert status(rows, payment_id) == "SUCCEEDED"
    assert posts(simulator, payment_id) == 1


def test_what_is_not_found_meanwhile_waits_and_costs_no_attempt(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    simulator.fault("empty", when="before", endpoint="payment_intents.create")
    payment_id = scene.charge()
    pause(scene)
    for _ in range(3):
        scene.clock.advance(timedelta(hours=1).total_seconds())
        perform_due(scene)
    (attempt,) = attempts(rows, payment_id)
    assert (attempt["status"], attempt["error_code"], attempt["never_sent"]) == ("UNKNOWN", "paused", False)
    resume(scene)
    scene.clock.advance(60)
    perform_due(scene)
    assert status(rows, payment_id) == "SUCCEEDED"
    assert [each["number"] for each in attempts(rows, payment_id)] == [1]


def test_an_unknown_kind_is_wrong_usage(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "payment_worker", "pause", "--kind", "chargebacks"],
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "charge" in done.stderr
