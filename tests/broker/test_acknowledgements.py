"""A message and the acknowledgement of another are one command, and no acknowledgement is forgotten."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import redis
from celery import bootsteps
from kombu.asynchronous.timer import Timer
from kombu.connection import Connection
from kombu.simple import SimpleQueue

from payment_worker.broker.acknowledgements import Acknowledgements
from payment_worker.broker.transport import Transport
from payment_worker.devstack.servers.valkey import Valkey
from tests.broker.scene import Scene, acknowledge, received

TASKS = 60


def test_many_messages_and_their_acknowledgements_are_hardly_more_commands(scene: Scene) -> None:
    scene.worker()
    scene.send("work", "first")
    scene.wait_for("ended", "first")
    scene.wait_until_empty()
    scene.broker.config_resetstat()
    scene.broker.script_flush()  # as if Redis had been started anew

    for n in range(TASKS):
        scene.send("work", f"p{n}")
    scene.wait_for("ended", f"p{TASKS - 1}")
    scene.wait_until_empty()

    calls: dict[str, dict[str, int]] = scene.broker.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] < 1.5 * TASKS
    assert calls["cmdstat_brpop"]["calls"] < TASKS / 2, calls["cmdstat_brpop"]
    assert calls.get("cmdstat_exec", {"calls": 0})["calls"] < TASKS
    assert not scene.broker.zcard("unacked_index")


def test_a_worker_that_ends_has_acknowledged_its_last_task(scene: Scene) -> None:
    worker = scene.worker()
    scene.send("work", "p1", seconds=1)
    scene.wait_for("begun", "p1")
    worker.stop()
    assert scene.said("ended") == ["p1"]
    assert not scene.waiting()
    assert not scene.unacknowledged()


def test_a_worker_that_ends_has_acknowledged_what_waited_for_the_next_message(scene: Scene) -> None:
    worker = scene.worker()
    scene.send("work", "p1")
    scene.wait_for("ended", "p1")
    worker.stop()
    assert not scene.waiting()
    assert not scene.unacknowledged()


def test_an_acknowledgement_goes_with_the_next_message(queue: SimpleQueue, broker: "redis.Redis") -> None:
    first = received(queue)
    acknowledge(first)
    assert broker.hkeys("unacked") == [first.delivery_tag]
    second = received(queue)
    assert broker.hkeys("unacked") == [second.delivery_tag]
    assert broker.zrange("unacked_index", 0, -1) == [second.delivery_tag]


def test_a_full_redis_acknowledges_and_then_has_room_for_the_next_message(
    queue: SimpleQueue, broker: "redis.Redis"
) -> None:
    first = received(queue)
    acknowledge(first)
    broker.config_set("maxmemory", "1")
    second = received(queue)
    assert broker.hkeys("unacked") == [second.delivery_tag]


def test_what_a_lost_connection_did_not_acknowledge_the_next_one_does(
    queue: SimpleQueue, own_valkey: Valkey, broker: "redis.Redis"
) -> None:
    first = a_consumer(queue.channel)
    step = Acknowledgements(first)
    step.start(first)
    acknowledge(received(queue))
    step.stop(first)
    assert broker.hlen("unacked") == 1

    with Connection(own_valkey.url(), transport=Transport) as connection:  # type: ignore[no-untyped-call]
        second = a_consumer(connection.default_channel)
        step.start(second)
        for entry in second.timer.queue:
            entry.entry()
    assert not broker.hkeys("unacked")


def a_consumer(channel: object) -> SimpleNamespace:
    """What the step needs of Celery's consumer, while the worker runs."""
    return SimpleNamespace(
        task_consumer=SimpleNamespace(channel=channel),
        blueprint=SimpleNamespace(state=bootsteps.RUN),
        hub=True,
        pool=None,
        timer=Timer(),  # type: ignore[no-untyped-call]
    )


def test_of_many_acknowledgements_each_reaches_redis(queue: SimpleQueue, broker: "redis.Redis") -> None:
    for n in range(250):
        queue.put(n)  # type: ignore[no-untyped-call]
    messages = [received(queue) for _ in range(252)]
    assert broker.hlen("unacked") == len(messages)
    for message in messages:
        acknowledge(message)
    queue.channel.qos.acknowledge_all()
    assert not broker.hlen("unacked")
    assert not broker.zcard("unacked_index")


def test_threads_acknowledge_each_message(queue: SimpleQueue, broker: "redis.Redis") -> None:
    tags = [f"tag-{n}" for n in range(8_000)]
    broker.hset("unacked", mapping=dict.fromkeys(tags, "a message"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(queue.channel.qos.ack, tags))
    queue.channel.qos.acknowledge_all()
    assert not broker.hlen("unacked")


def test_a_connection_that_redis_closed_meanwhile_is_made_anew(
    queue: SimpleQueue, broker: "redis.Redis"
) -> None:
    first = received(queue)
    (noting,) = [client["id"] for client in broker.client_list() if client["cmd"].startswith("eval")]
    broker.client_kill_filter(_id=noting)
    acknowledge(first)
    second = received(queue)
    assert broker.hkeys("unacked") == [second.delivery_tag]


def test_a_message_is_kept_as_the_text_that_it_came_as(queue: SimpleQueue, broker: "redis.Redis") -> None:
    text = str(broker.rpop("q")).replace('": "', '" :  "')
    broker.rpush("q", text)
    message = received(queue)
    kept = str(broker.hget("unacked", str(message.delivery_tag)))
    assert kept.startswith(f"[{text}, ")
    assert json.loads(kept)[2] == "q"
