"""What a worker took and did not finish goes back into its own queue, whatever its sender or a stranger wrote.

Upstream, kombu 5.7.0: a `priority` of Infinity, or a member of `_kombu.binding.charges` that is not of
kombu's form, loses the message, and its whole body is in the log, at CRITICAL.
"""

import json
import uuid
from typing import Any

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.broker.messages.raw import QUEUE, a_message
from tests.broker.scene import Scene
from tests.harness.length import long

SECRET = "hunter2-in-the-body"
BODY = [[], {"payment_id": "p1", "seconds": 60, "note": SECRET}, {}]


@pytest.mark.parametrize(
    "priority",
    [
        float("inf"),
        long(float("nan")),
        "high",
        long(["a"]),
        long({}),
        long(-1),
        long(10**30),
        long(0.5),
        long(True),  # noqa: FBT003 - a JSON value
        3,
    ],
)
def test_whatever_its_priority(priority: Any, scene: Scene) -> None:  # noqa: ANN401 a JSON value
    first = scene.worker(pool="threads", visibility_seconds=1)
    scene.broker.lpush(QUEUE, a_message(BODY, properties={"priority": priority}))
    scene.wait_for("begun", "p1")

    first.kill()
    scene.journal.set("no_waiting", "yes")
    second = scene.worker(pool="threads", visibility_seconds=1)

    scene.wait_for("ended", "p1")
    scene.wait_until_empty()
    assert SECRET not in second.output()
    assert "CRITICAL" not in second.output()


@pytest.mark.parametrize("binding", ["junk", "charges\x06\x16\x06\x16elsewhere"])
def test_whatever_others_wrote_into_the_bindings(binding: str, scene: Scene) -> None:
    first = scene.worker(pool="threads", visibility_seconds=1)
    scene.broker.sadd("_kombu.binding.charges", binding)
    scene.broker.lpush(
        QUEUE, a_message(BODY, properties={"delivery_info": {"exchange": QUEUE, "routing_key": QUEUE}})
    )
    scene.wait_for("begun", "p1")

    first.kill()
    scene.journal.set("no_waiting", "yes")
    scene.worker(pool="threads", visibility_seconds=1)

    scene.wait_for("ended", "p1")
    scene.wait_until_empty()
    assert not scene.broker.exists("elsewhere")


def test_a_task_comes_back_by_itself_whatever_others_wrote_into_the_bindings(scene: Scene) -> None:
    scene.worker(pool="threads")
    scene.broker.sadd("_kombu.binding.charges", "junk", "charges\x06\x16\x06\x16elsewhere")

    scene.broker.lpush(
        QUEUE, a_message([[], {"payment_id": "p1", "note": "n"}, {}], headers={"task": "probe.retry"})
    )

    wait_until(lambda: len(scene.said("begun")) == 2)
    scene.wait_until_empty()
    assert not scene.broker.exists("elsewhere")


@pytest.mark.parametrize(
    "held", [b"\xff", long(b"7"), long(b"[]"), json.dumps([{"body": SECRET}, "", QUEUE]).encode()]
)
def test_what_cannot_be_put_back_is_kept_as_rejected(held: bytes, scene: Scene) -> None:
    tag = str(uuid.uuid4())
    scene.broker.hset("unacked", tag, held)
    scene.broker.zadd("unacked_index", {tag: 1})

    worker = scene.worker(pool="threads", visibility_seconds=1)
    wait_until(scene.kept)

    scene.wait_until_empty()
    assert scene.kept()[0]["errors"] == ["it cannot be put back into its queue"]
    assert SECRET not in worker.output()
    worker.wait_for_output(tag)


def test_what_a_worker_held_that_ended_by_a_fault_is_counted(scene: Scene) -> None:
    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "p1", "ends": "worker"}, {}]))

    with pytest.raises(Exception, match="ended"):
        scene.worker(pool="threads", visibility_seconds=1).wait_for_output("never")

    assert scene.waiting() == 0
    assert scene.unacknowledged() == 1


def test_a_message_that_ends_each_worker_is_rejected_in_the_end(scene: Scene) -> None:
    message = a_message([[], {"payment_id": "p1", "ends": "worker"}, {}], headers={"redeliveries": 10})
    tag = json.loads(message)["properties"]["delivery_tag"]
    scene.broker.hset("unacked", tag, json.dumps([json.loads(message), "", QUEUE]))
    scene.broker.zadd("unacked_index", {tag: 1})

    worker = scene.worker(pool="threads", visibility_seconds=1)
    wait_until(scene.kept)

    assert scene.kept()[0]["errors"] == ["it came back 11 times without having been finished"]
    assert worker.running
