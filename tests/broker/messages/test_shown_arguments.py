"""Nobody who looks at the worker sees arguments or errors: in logs, events, `inspect` or results only ids are.

Upstream, celery 5.7.0: `inspect`, events and Flower show all arguments; an exception's arguments are in the log, in
events and in results, with those of every exception before it.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import redis

from payment_worker.broker.shown_arguments import shown
from payment_worker.devstack.waiting import wait_until
from tests.broker.scene import Scene
from tests.harness.length import long

SECRET = "hunter2-in-an-argument"
PAYMENT_ID = str(uuid4())


@contextmanager
def heard(scene: Scene) -> Iterator[list[dict[str, Any]]]:
    """All events that the workers send meanwhile."""
    events: list[dict[str, Any]] = []
    with scene.app.connection_for_read() as connection:
        receiver = scene.app.events.Receiver(connection, handlers={"*": events.append})
        thread = Thread(target=receiver.capture, kwargs={"wakeup": False})
        thread.start()
        # Heartbeats: it listens.
        wait_until(lambda: events)
        try:
            yield events
        finally:
            receiver.should_stop = True
            thread.join()


@pytest.mark.parametrize("pool", ["prefork", long("threads")])
def test_only_ids_are_shown(pool: str, scene: Scene, redis_url: str) -> None:
    worker = scene.worker(pool=pool, concurrency=3, settings={"PAYMENT_WORKER_RESULT_BACKEND": redis_url})
    inspect = scene.app.control.inspect(timeout=5, limit=1)

    with heard(scene) as events:
        scene.send("work", PAYMENT_ID, seconds=2, note=SECRET)
        scene.send("work", PAYMENT_ID, countdown=2, note=SECRET)
        scene.send("break", PAYMENT_ID, note=SECRET)
        scene.send("retry", PAYMENT_ID, note=SECRET)
        scene.wait_for("begun", PAYMENT_ID)
        looks = [inspect.active(), inspect.scheduled(), inspect.reserved(), inspect.conf(with_defaults=False)]
        kinds = {"task-received", "task-failed", "task-retried", "task-succeeded"}
        wait_until(lambda: kinds <= {event["type"] for event in events})
        wait_until(lambda: scene.said("ended") == [PAYMENT_ID] * 2)

    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        results = {key: client.get(key) for key in client.scan_iter("celery-task-meta-*")}
    seen = {"log": worker.output(), "events": str(events), "inspect": str(looks), "results": str(results)}
    assert [place for place, what in seen.items() if SECRET in what] == []
    assert [place for place, what in seen.items() if PAYMENT_ID not in what] == []
    assert "builtins.ValueError at tests.broker.broker_app:" in seen["log"]
    assert results


def test_an_id_is_shown_only_if_it_has_an_ids_form() -> None:
    kwargs = {
        "payment_id": PAYMENT_ID,
        "refund_id": "4242424242424242",
        "event_id": "evt_1ABC",
        "note": SECRET,
    }

    assert shown(kwargs) == {"payment_id": PAYMENT_ID, "refund_id": "…", "event_id": "evt_1ABC"}
    assert shown([SECRET]) == {}


def test_passwords_of_the_broker_are_not_shown(scene: Scene) -> None:
    password = "hunter2-in-a-url"
    scene.broker.config_set("requirepass", password)
    try:
        url = re.sub("redis://", f"redis://:{password}@", scene.broker_url)
        worker = scene.worker(through=url)
        scene.broker.execute_command("AUTH", password)  # type: ignore[no-untyped-call] # redis-py has no type for it
        scene.app.conf.broker_url = url
        inspect = scene.app.control.inspect(timeout=5, limit=1)
        seen = str([worker.output(), inspect.conf(with_defaults=True), inspect.stats(), inspect.report()])
    finally:
        scene.broker.execute_command("AUTH", password)  # type: ignore[no-untyped-call] # redis-py has no type for it
        scene.broker.config_set("requirepass", "")
    assert password not in seen
