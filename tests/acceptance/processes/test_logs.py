"""A worker's lines are JSON, and say of which task, payment, attempt and request of Stripe's they tell."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Json, Scene


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    """A worker with children, as most installations have it, and beat."""
    made = new_scene()
    return made.ready(made.worker(pool="prefork", concurrency=2), made.beat())


def _lines(directory: Path, **wanted: object) -> list[Json]:
    return list(_matching(directory, wanted))


def _matching(directory: Path, wanted: Json) -> Iterator[Json]:
    for log in directory.glob("worker*.log"):
        for written in log.read_text(encoding="utf-8").splitlines(keepends=True):
            if written.endswith("\n") and written.startswith("{"):
                line = json.loads(written)
                if wanted.items() <= line.items():
                    yield line


def _wait_for(scene: Scene, **wanted: object) -> Json:
    return wait_until(lambda: _lines(scene.directory, **wanted), what=str(wanted))[0]


def _all_about(line: Json, *names: str) -> bool:
    return all(line.get(name) for name in names)


def test_the_log_lines_of_a_charge_have_the_same_ids(scene: Scene) -> None:
    payment_id = scene.paid()
    task_id = _wait_for(scene, event="attempt finished", payment_id=payment_id)["task_id"]
    _wait_for(scene, event="task finished", task_id=task_id)
    over, ended = _lines(scene.directory, task_id=task_id)
    assert all(line["task"] == "payment_worker.charge" for line in (over, ended))
    assert over["attempt"] == 1
    assert over["action"] == "charge"
    assert over["outcome"] == "EXECUTED"
    assert over["stripe_request_id"] == scene.posts(payment_id)[0]["request_id"]
    assert ended["payment_id"] == payment_id
    assert (ended["outcome"], ended["status"]) == ("succeeded", "SUCCEEDED")
    assert 0 < ended["duration_seconds"] < 60
    assert ended["event"] == "task finished"


def test_a_task_that_is_refused_or_declined_ends_in_such_a_line_too(scene: Scene) -> None:
    refused = scene.producer.charge(payment_id="none")
    assert _wait_for(scene, event="task finished", task_id=refused)["outcome"] == "rejected"
    declined = scene.charge(payment_method="pm_card_chargeDeclined")
    ended = _wait_for(scene, event="task finished", payment_id=declined)
    assert (ended["outcome"], ended["status"]) == ("succeeded", "FAILED")
    assert ended["reason"]


def test_published_messages_are_counted_in_one_line(scene: Scene) -> None:
    scene.paid()
    line = _wait_for(scene, event="published", task="payment_worker.publish_events")
    assert line["messages"] > 0


def test_a_later_run_of_another_task_logs_the_same_attempt(scene: Scene) -> None:
    payment_id = scene.charge(payment_method="pm_card_visa")
    scene.payment(payment_id, "SUCCEEDED")
    refund_id = scene.refund(payment_id)
    scene.refund_row(refund_id, "PROCESSED")
    over = _wait_for(scene, event="attempt finished", refund_id=refund_id)
    assert over["payment_id"] == payment_id
    assert over["task"] == "payment_worker.refund"


def test_an_unknown_outcome_is_logged_with_all_that_is_known(scene: Scene) -> None:
    payment_id = "11111111-2222-4333-8444-555555555555"
    scene.fault("reset", charge=payment_id, when="after", times=20)
    scene.charge(payment_id=payment_id)
    line = _wait_for(scene, event="attempt rescheduled", payment_id=payment_id)
    assert line["level"] == "warning"
    assert line["attempt"] == 1
    assert line["reason"] == "no_answer"
    assert _all_about(line, "task_id", "task", "timestamp")


def test_a_rejected_request_is_identified_by_its_message(scene: Scene) -> None:
    sent = scene.producer.charge(payment_id="none")
    line = _wait_for(scene, event="request rejected", task_id=sent)
    assert line["task"] == "payment_worker.charge"


def test_an_event_is_logged_with_its_payment(scene: Scene) -> None:
    scene.hand_on_webhooks("payment_intent.succeeded")
    payment_id = scene.paid()
    line = _wait_for(scene, event="event processed", payment_id=payment_id)
    assert _all_about(line, "task_id", "event_id")


def test_what_is_about_no_task_names_none(scene: Scene) -> None:
    scene.paid()
    started = [line for line in _lines(scene.directory) if "ready" in line["event"]]
    assert started
    assert not any("task_id" in line for line in started)


def test_every_line_is_json_with_a_time_and_a_level(scene: Scene) -> None:
    scene.paid()
    for log in scene.directory.glob("worker*.log"):
        written = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert written
        # What Celery prints while it starts is a banner for people, before anything happens.
        first = next(index for index, line in enumerate(written) if line.startswith("{"))
        for line in written[first:-1]:
            assert {"event", "level", "timestamp", "logger"} <= json.loads(line).keys(), line


def test_an_installation_that_has_nothing_to_do_says_nothing(new_scene: Callable[..., Scene]) -> None:
    idle = new_scene(PAYMENT_WORKER_POLL_EVERY="1")
    idle.ready(idle.worker(pool="prefork", concurrency=2), idle.beat())
    for sweep in ("resume_stalled", "publish_events", "poll_stripe_events"):
        _wait_for_runs(idle, f"payment_worker.{sweep}", 3)
    for log in idle.directory.glob("*.log"):
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        told = [line for line in lines if "resume_stalled" in line or "_events" in line]
        # A sweep that a slow machine could not begin before the next was due is no routine.
        assert not [line for line in told if "had expired before a worker took it" not in line]


def test_at_log_level_debug_each_sweep_is_logged(new_scene: Callable[..., Scene]) -> None:
    curious = new_scene(PAYMENT_WORKER_LOG_LEVEL="DEBUG")
    curious.ready(curious.worker(pool="prefork", concurrency=2), curious.beat())
    line = _wait_for(curious, event="task finished", task="payment_worker.resume_stalled")
    assert line["level"] == "debug"
    curious.wait_for_log("task enqueued")


def _wait_for_runs(scene: Scene, task: str, many: int) -> None:
    # One that has begun for the next time has ended the times before.
    wait_until(lambda: scene.runs()[task] > many, seconds=30, what=f"{many} runs of {task}")
