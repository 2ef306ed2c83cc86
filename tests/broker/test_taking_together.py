"""Messages that wait are taken out of their queue together, and each is in `unacked` before it has left the queue."""

import base64
import contextlib
import json
from typing import Any

import pytest
import redis
from kombu.message import Message
from kombu.simple import SimpleQueue

from payment_worker.broker.envelope import UNREADABLE
from payment_worker.broker.qos import MAX_TAKEN_BYTES, MOST_TAKEN_TOGETHER, REDELIVERIES
from tests.broker.scene import acknowledge, received

SLOTS = 5
WAITING = 7


@pytest.fixture
def waiting(queue: SimpleQueue) -> SimpleQueue:
    """A queue with seven messages, and a channel with five slots."""
    for n in range(3, WAITING + 1):
        queue.put(n)  # type: ignore[no-untyped-call]
    queue.channel.qos.prefetch_count = SLOTS
    queue.channel.qos.takes_at_once = True
    return queue


def replace_oldest_but_one(broker: "redis.Redis", item: str) -> None:
    broker.lset("q", -2, item)


def in_hand(queue: SimpleQueue) -> list[Message]:
    """What was delivered with the next message, which itself is the first."""
    return [received(queue), *queue.buffer]


def drain(queue: SimpleQueue) -> None:
    """One turn of a loop, in which messages may be delivered before there is something to read."""
    with contextlib.suppress(TimeoutError):
        queue.channel.connection.client.drain_events(timeout=0.01)


def contents(messages: list[Message]) -> list[Any]:
    return [message.payload for message in messages]


def test_as_many_come_with_the_first_as_there_are_slots(waiting: SimpleQueue, broker: "redis.Redis") -> None:
    messages = in_hand(waiting)
    assert contents(messages) == [1, 2, 3, 4, 5]
    assert broker.llen("q") == WAITING - SLOTS
    tags = {message.delivery_tag for message in messages}
    assert set(broker.hkeys("unacked")) == set(broker.zrange("unacked_index", 0, -1)) == tags
    assert broker.info("commandstats")["cmdstat_brpop"]["calls"] == 1


def test_each_is_kept_as_the_text_that_it_came_as(waiting: SimpleQueue, broker: "redis.Redis") -> None:
    second = str(broker.lindex("q", -2)).replace('": "', '" :  "')
    replace_oldest_but_one(broker, second)
    kept = str(broker.hget("unacked", str(in_hand(waiting)[1].delivery_tag)))
    assert kept.startswith(f"[{second}, ")
    assert json.loads(kept)[2] == "q"


def test_each_is_acknowledged_by_itself(waiting: SimpleQueue, broker: "redis.Redis") -> None:
    messages = in_hand(waiting)
    for message in messages[:3]:
        acknowledge(message)
    waiting.channel.qos.acknowledge_all()
    assert set(broker.hkeys("unacked")) == {message.delivery_tag for message in messages[3:]}


def test_only_a_few_come_at_once_so_that_other_workers_get_some(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    waiting.channel.qos.prefetch_count = 100
    for n in range(20):
        waiting.put(n)  # type: ignore[no-untyped-call]
    assert len(in_hand(waiting)) == 1 + MOST_TAKEN_TOGETHER
    assert broker.hlen("unacked") == 1 + MOST_TAKEN_TOGETHER


@pytest.mark.parametrize(
    "junk",
    ["junk", "7", "{}", '{"properties": {"delivery_tag": 1}}', '{"properties": {"delivery_tag": "\\ud800"}}'],
)
def test_what_has_no_tag_stays_in_the_queue_until_it_is_popped(
    waiting: SimpleQueue, broker: "redis.Redis", junk: str
) -> None:
    replace_oldest_but_one(broker, junk)
    assert contents(in_hand(waiting)) == [1]
    assert broker.lindex("q", -1) == junk
    waiting.buffer.clear()
    messages = in_hand(waiting)
    assert UNREADABLE in messages[0].headers
    assert contents(messages[1:]) == [3, 4, 5]
    assert broker.hlen("unacked") == SLOTS


def test_what_is_large_stays_in_the_queue_until_it_is_popped(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    second = json.loads(str(broker.lindex("q", -2)))
    item = json.dumps({**second, "headers": {"large": [[]] * 500_000}})
    assert len(item) > MAX_TAKEN_BYTES
    replace_oldest_but_one(broker, item)
    assert contents(in_hand(waiting)) == [1]
    waiting.buffer.clear()
    assert contents(in_hand(waiting)) == [2, 3, 4, 5]
    # Redis has not parsed it, for which it would need forty times its size.
    assert broker.info("memory")["used_memory_vm_eval"] < 3 * len(item)


def test_what_cannot_be_opened_is_kept_in_an_envelope_alone(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    second = json.loads(str(broker.lindex("q", -2)))
    replace_oldest_but_one(broker, json.dumps({**second, "body": "!"}))
    messages = in_hand(waiting)
    assert UNREADABLE in messages[1].headers
    assert contents([messages[0], *messages[2:]]) == [1, 3, 4, 5]
    assert set(broker.hkeys("unacked")) == {message.delivery_tag for message in messages}


def test_what_names_no_queue_can_be_put_back_into_its_own(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    second = json.loads(str(broker.lindex("q", -2)))
    del second["properties"]["delivery_info"]
    replace_oldest_but_one(broker, json.dumps(second))
    message = in_hand(waiting)[1]
    entry, _, queue = json.loads(str(broker.hget("unacked", str(message.delivery_tag))))
    assert (entry["properties"]["delivery_info"]["routing_key"], queue) == ("q", "q")


@pytest.fixture
def interrupted(waiting: SimpleQueue) -> SimpleQueue:
    """The same where five were taken, and the connection was lost with the third."""

    def fail_at_the_third(_body: object, message: Message) -> None:
        if message.payload == 3:
            raise ConnectionError

    waiting.consumer.callbacks[:] = [fail_at_the_third]
    with pytest.raises(ConnectionError):
        received(waiting)
    return waiting


def test_what_could_not_be_delivered_is_given_back_uncounted(
    interrupted: SimpleQueue, broker: "redis.Redis"
) -> None:
    assert broker.hlen("unacked") == SLOTS
    interrupted.channel.close()  # type: ignore[no-untyped-call]
    assert broker.llen("q") == WAITING
    assert not broker.hlen("unacked")
    assert not any(REDELIVERIES in json.loads(str(item))["headers"] for item in broker.lrange("q", 0, -1))


def test_where_a_worker_ends_by_a_fault_only_what_was_delivered_is_left(
    interrupted: SimpleQueue, broker: "redis.Redis"
) -> None:
    interrupted.channel.qos.leave_all()
    interrupted.channel.close()  # type: ignore[no-untyped-call]
    assert broker.hlen("unacked") == 3
    in_queue = [json.loads(str(item))["body"] for item in broker.lrange("q", 0, -1)]
    assert {base64.b64decode(body) for body in in_queue} == {b"4", b"5", b"6", b"7"}


def test_what_was_not_popped_by_brpop_is_stored_alone(
    waiting: SimpleQueue, broker: "redis.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    message = waiting.channel.basic_get("q")  # type: ignore[no-untyped-call]
    assert message.payload == 1
    assert broker.hkeys("unacked") == [message.delivery_tag]
    assert not caplog.messages


def test_nothing_follows_out_of_a_queue_that_is_no_longer_consumed(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    broker.rename("q", "elsewhere")
    waiting.consumer.consume(no_ack=False)
    drain(waiting)  # BRPOP is sent
    waiting.consumer.cancel()
    broker.rename("elsewhere", "q")
    for _ in range(10):
        drain(waiting)
    items = [json.loads(str(item)) for item in broker.lrange("q", 0, -1)]
    assert len(items) == WAITING
    assert not broker.hlen("unacked")
    assert [REDELIVERIES in item["headers"] for item in items] == [True] + [False] * (WAITING - 1)


def test_a_full_redis_keeps_the_others_in_the_queue(waiting: SimpleQueue, broker: "redis.Redis") -> None:
    broker.config_set("maxmemory", "1")
    assert contents(in_hand(waiting)) == [1]
    assert broker.llen("q") == WAITING - 1


def test_what_waits_is_taken_without_brpop_when_a_slot_is_free(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    first, *others = in_hand(waiting)
    waiting.buffer.clear()
    acknowledge(first)
    drain(waiting)
    (next_one,) = waiting.buffer
    assert next_one.payload == SLOTS + 1
    assert set(broker.hkeys("unacked")) == {message.delivery_tag for message in (*others, next_one)}
    assert broker.info("commandstats")["cmdstat_brpop"]["calls"] == 1


def test_a_full_redis_keeps_what_waits_until_it_is_popped(
    waiting: SimpleQueue, broker: "redis.Redis"
) -> None:
    in_hand(waiting)
    waiting.buffer.clear()
    waiting.channel.qos.prefetch_count += 1
    broker.config_set("maxmemory", "1")
    assert contents(in_hand(waiting)) == [SLOTS + 1]
    assert broker.llen("q") == WAITING - SLOTS - 1


def test_queues_in_which_messages_wait_take_turns(waiting: SimpleQueue) -> None:
    other = SimpleQueue(waiting.channel, "r")  # type: ignore[no-untyped-call]
    waiting.channel.qos.prefetch_count = 1
    for n in range(WAITING):
        other.put(n)  # type: ignore[no-untyped-call]
    queues: list[str] = []
    for queue in (waiting, other):
        queue.consumer.consume(no_ack=False)
    for _ in range(500):
        if len(queues) == 2 * WAITING:
            break
        drain(waiting)
        for queue in (waiting, other):
            while queue.buffer:
                message = queue.buffer.popleft()
                queues.append(message.delivery_info["routing_key"])
                acknowledge(message)
    assert queues in (["q", "r"] * WAITING, ["r", "q"] * WAITING)
