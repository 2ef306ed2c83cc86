"""A message is done when its task has ended, and only then; what never ends is counted, and set aside in the end.

Upstream, celery 5.7.0: a task that kills its process does so for ever; the work of a worker that was killed comes
back 100 s late; a task that broke is acknowledged, and its request gone; SIGTERM behaves.
"""

import json
import signal
from pathlib import Path

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.broker.messages.raw import QUEUE, a_message
from tests.broker.scene import Scene
from tests.harness.length import long


@pytest.mark.parametrize("pool", ["prefork", long("threads")])
def test_the_work_of_a_killed_worker_is_done_by_another(pool: str, scene: Scene) -> None:
    first = scene.worker(pool=pool, visibility_seconds=2)
    scene.send("work", "p1", seconds=30)
    scene.wait_for("begun", "p1")

    first.kill()
    scene.journal.set("no_waiting", "yes")
    scene.worker(pool=pool, visibility_seconds=2)

    scene.wait_for("ended", "p1", seconds=10)
    scene.wait_until_empty()
    assert [json.loads(facts) for facts in scene.said("facts")] == [
        {"redelivered": False, "redeliveries": None},
        {"redelivered": True, "redeliveries": 1},
    ]


def test_the_work_of_a_worker_killed_while_it_gives_back_is_done_by_another(scene: Scene) -> None:
    first = scene.worker(pool="threads", visibility_seconds=2)
    scene.send("work", "p1", seconds=60)
    scene.send("hold", "lock", seconds=60)
    scene.wait_for("begun", "p1", "lock")

    first.kill()
    scene.journal.set("no_waiting", "yes")
    scene.worker(pool="threads", visibility_seconds=2)

    # The lock outlives its owner for 10 s; kombu's own for 5 minutes.
    scene.wait_for("ended", "p1", seconds=25)


def test_a_task_that_kills_its_process_is_counted_until_it_is_set_aside(scene: Scene) -> None:
    worker = scene.worker(visibility_seconds=5)
    headers = {"task": "probe.die", "id": "m1", "retries": 4}
    last = {**headers, "retries": 5, "redeliveries": 10}

    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "p1"}, {}], headers=headers))
    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "p2"}, {}], headers=last))
    scene.send("work", "beside")
    scene.wait_for("ended", "beside")
    wait_until(scene.kept, seconds=20)

    # Celery's own count goes on, with a pause before each try; what was only put back would be run again at once.
    assert {"p1 4", "p1 5"} <= set(scene.said("tried"))
    assert scene.kept() == [
        {
            "task": "probe.die",
            "arguments": {"payment_id": "p2"},
            "errors": ["it came back 11 times without having been finished"],
            "request_id": "m1",
        }
    ]
    assert worker.running


def test_a_task_that_breaks_comes_back_until_it_is_set_aside(scene: Scene) -> None:
    worker = scene.worker(concurrency=1, visibility_seconds=1)
    headers = {"task": "probe.break", "redeliveries": 8}

    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "p1", "note": "n"}, {}], headers=headers))
    scene.send("work", "beside")
    scene.wait_for("ended", "beside")
    wait_until(scene.kept, seconds=15)

    scene.wait_until_empty()
    assert scene.said("begun").count("p1") == 3
    assert scene.kept()[0]["errors"] == ["it came back 11 times without having been finished"]
    assert worker.running


@pytest.mark.parametrize("pool", ["prefork", long("threads")])
def test_a_task_that_breaks_comes_back_whatever_its_sender_wants_called(pool: str, scene: Scene) -> None:
    scene.worker(pool=pool, visibility_seconds=1)

    send_followed(scene, "break", "p1", headers={"redeliveries": 10}, note="n")
    wait_until(scene.kept, seconds=15)

    scene.wait_until_empty()
    assert scene.said("begun") == ["p1"]
    assert scene.kept()[0]["errors"] == ["it came back 11 times without having been finished"]


@pytest.mark.parametrize("pool", ["prefork", long("threads")])
def test_a_task_that_succeeds_has_done_so_whatever_its_sender_wants_called(pool: str, scene: Scene) -> None:
    worker = scene.worker(pool=pool)

    send_followed(scene, "work", "p1")
    worker.wait_for_output(r"probe\.work\S* succeeded")

    scene.wait_until_empty()
    assert "QueueNotFound" not in worker.output()


def send_followed(
    scene: Scene, task: str, payment_id: str, *, headers: dict[str, int] | None = None, **arguments: object
) -> None:
    """Enqueue a task after which others are to be called, of an app whose queues are not ours."""
    foreign = scene.app.signature("shop.told", queue="shop")
    scene.app.send_task(
        f"probe.{task}",
        kwargs={"payment_id": payment_id, **arguments},
        queue=QUEUE,
        headers=headers,
        link=foreign,
        link_error=foreign,
        chain=[foreign],
    )


def test_a_task_that_fails_where_it_cannot_help_it_comes_back_until_it_is_set_aside(scene: Scene) -> None:
    scene.worker(visibility_seconds=1)
    headers = {"task": "probe.unready", "redeliveries": 10}

    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "p1"}, {}], headers=headers))

    wait_until(scene.kept, seconds=15)
    assert scene.kept()[0]["errors"] == ["it came back 11 times without having been finished"]


def test_a_task_that_asks_for_another_run_is_done_with_its_first_message(scene: Scene) -> None:
    scene.worker()

    scene.send("retry", "p1", note="n")

    wait_until(lambda: len(scene.said("begun")) == 2)
    scene.wait_until_empty(seconds=3)


@pytest.mark.parametrize(("deaf", "limit"), [(False, "Soft"), (True, "Hard")])
def test_a_task_beyond_its_time_is_ended_and_comes_back(deaf: bool, limit: str, scene: Scene) -> None:  # noqa: FBT001 a parameter of the test
    worker = scene.worker(visibility_seconds=2, settings={"PAYMENT_WORKER_LEASE": "0.6"})

    scene.send("work", "p1", seconds=30, deaf=deaf)
    worker.wait_for_output(f"{limit} time limit")
    scene.journal.set("no_waiting", "yes")

    scene.wait_for("ended", "p1")
    scene.wait_until_empty()
    assert json.loads(scene.said("facts")[-1])["redeliveries"] >= 1


def test_a_caller_cannot_choose_how_long_a_task_may_run(scene: Scene) -> None:
    scene.worker()

    scene.app.send_task(
        "probe.work",
        kwargs={"payment_id": "p1", "seconds": 1},
        queue=QUEUE,
        time_limit=0.2,
        soft_time_limit=0.1,
    )

    scene.wait_for("ended", "p1")
    assert scene.said("begun") == ["p1"]


@pytest.mark.parametrize("pool", ["prefork", long("threads")])
def test_a_worker_that_is_terminated_finishes_and_returns_messages(
    pool: str, scene: Scene, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    settings = {"PAYMENT_WORKER_LIVENESS_FILE": str(alive)}
    worker = scene.worker(pool=pool, visibility_seconds=20, settings=settings)
    scene.send("work", "running", seconds=2)
    scene.send("work", "later", countdown=9)
    scene.wait_for("begun", "running")
    wait_until(lambda: scene.unacknowledged() == 2)
    assert alive.exists()

    assert worker.stop(signal.SIGTERM) == 0

    assert scene.said("ended") == ["running"]
    assert scene.unacknowledged() == 0
    (returned,) = (json.loads(item) for item in scene.broker.lrange(QUEUE, 0, -1))
    assert "redeliveries" not in returned["headers"]
    assert not alive.exists()
