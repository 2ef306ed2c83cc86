"""What Flower costs is paid once for many tasks, and Flower still hears of each."""

import base64
import json
import time
from contextlib import closing

import pytest
from kombu.connection import Connection

from payment_worker.broker.task_events import LEAVE_EVERY_SECONDS, LONGEST
from payment_worker.broker.transport import Transport
from payment_worker.devstack.waiting import wait_until
from tests.broker.scene import Scene

TASKS = 60
KINDS = ("task-received", "task-started", "task-succeeded")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_events_of_many_tasks_leave_together(pool: str, scene: Scene) -> None:
    messages: list[list[dict[str, str]]] = []
    with closing(scene.broker.pubsub(ignore_subscribe_messages=True)) as heard:  # type: ignore[no-untyped-call]
        heard.psubscribe("*celeryev*task.multi")
        scene.worker(pool=pool)
        began = time.monotonic()
        for n in range(TASKS):
            scene.send("work", f"p{n}")

        def all_told() -> bool:
            if message := heard.get_message(timeout=0.1):
                messages.append(json.loads(_body(message["data"])))
            return sum(map(len, messages)) >= TASKS * len(KINDS)

        wait_until(all_told, seconds=30, what="every event")

    seconds = time.monotonic() - began
    told = [event for events in messages for event in events]
    assert sorted(event["type"] for event in told) == sorted(KINDS * TASKS)
    assert len(messages) <= seconds / LEAVE_EVERY_SECONDS + len(told) / LONGEST + 1


def test_a_worker_that_ends_still_sends_the_events_of_its_last_task(scene: Scene) -> None:
    with closing(scene.broker.pubsub(ignore_subscribe_messages=True)) as heard:  # type: ignore[no-untyped-call]
        heard.psubscribe("*celeryev*task.multi")
        worker = scene.worker()
        scene.send("work", "last", seconds=1)
        scene.wait_for("begun", "last")
        worker.stop()
        told = []
        for _ in range(10):
            # None also where the answer was the subscription's own.
            if message := heard.get_message(timeout=0.1):
                told += [event["type"] for event in json.loads(_body(message["data"]))]

    assert set(told) == set(KINDS)


def test_a_channel_keeps_its_client_for_as_long_as_its_pool(redis_url: str) -> None:
    with Connection(redis_url, transport=Transport) as connection, connection.channel() as channel:  # type: ignore[no-untyped-call]
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second

        channel._disconnect_pools()  # noqa: SLF001 as kombu does after a fork

        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.ping()


def _body(data: bytes) -> bytes:
    return base64.b64decode(json.loads(data)["body"])
