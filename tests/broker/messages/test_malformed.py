"""Whatever lies in a queue, the worker stays, the neighbours are run, and what cannot be run is kept, masked.

Upstream, celery 5.7.0: JSON that is no `[args, kwargs, embed]` stops one worker after the other, a missing id makes
a loop of reconnections, raw text costs a restart and is lost; the rest is dropped, with its whole body in the log.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until
from tests.broker.messages.raw import QUEUE, a_message
from tests.broker.scene import Scene
from tests.harness.rows import Rows

CARD = "4242 4242 4242 4242"
SECRET = "hunter2-in-the-body"
ARGUMENTS = {"payment_id": "p1", "note": SECRET, "card_number": CARD}
BODY = [[], ARGUMENTS, {}]
NOW = datetime.now(UTC)
TOMORROW, YESTERDAY = (NOW + timedelta(days=1)).isoformat(), (NOW - timedelta(days=1)).isoformat()
TOO_LARGE = a_message([[], {"note": f"{CARD} {SECRET} {'x' * 5_000_000}"}, {}])


def nested(times: int) -> list[Any]:
    """A list in a list, and so on."""
    found: list[Any] = json.loads("[" * times + "]" * times)
    return found


# What is kept as the error, and the messages that it is kept for.
MALFORMED: dict[str, list[bytes]] = {
    "this is not JSON": [
        f"{SECRET} is no JSON".encode(),
        b"\xff\xfe" + SECRET.encode(),
        b"[" * 100_000,
        b'{"body": {"__type__": "datetime", "__value__": 7}}',
    ],
    "this is not a message: no object with properties": [
        json.dumps([SECRET]).encode(),
        json.dumps({"body": SECRET}).encode(),
    ],
    "properties.delivery_tag must be a text": [
        a_message(BODY, properties={"delivery_tag": None}),
        a_message(BODY, properties={"delivery_tag": "\ud800"}),
    ],
    "properties.delivery_info must be an object": [a_message(BODY, properties={"delivery_info": "charges"})],
    "properties.body_encoding must be base64 or utf-8": [
        a_message(BODY, properties={"body_encoding": "rot13"}),
        a_message(BODY, properties={"body_encoding": ["base64"]}),
    ],
    "headers must be an object": [a_message(BODY, envelope={"headers": None})],
    "headers and properties may be nested 50 times at most": [
        a_message(BODY, headers={"note": nested(480)}),
        a_message(BODY, properties={"note": nested(900)}),
    ],
    "the body may be nested 50 times at most": [
        a_message([[], {**ARGUMENTS, "list": nested(times)}, {}]) for times in (50, 480, 900)
    ],
    "the body must be a text": [a_message(BODY, envelope={"body": {"note": SECRET}})],
    "the body is not base64": [a_message(raw_body="%%%"), a_message(raw_body="YQ")],
    "compressed messages are not taken: a small one may unfold to more than there is memory": [
        a_message(BODY, headers={"compression": "application/x-gzip"})
    ],
    f"{len(TOO_LARGE)} bytes are more than a message may have": [TOO_LARGE],
    "the body must be [args, kwargs, embed]": [
        a_message(7),
        a_message([[], ARGUMENTS]),
        a_message(SECRET),
        a_message(raw_body=""),
    ],
    "the body is not JSON": [
        a_message(raw_body=base64.b64encode(f"{{{SECRET}".encode()).decode()),
        a_message(raw_body=base64.b64encode(b"[" * 100_000).decode()),
        a_message([[], {"payment_id": {"__type__": "datetime", "__value__": SECRET}}, {}]),
    ],
    "args must be a list": [a_message([{}, ARGUMENTS, {}])],
    "kwargs must be an object": [a_message([[], [SECRET], {}])],
    "embed must be an object": [a_message([[], ARGUMENTS, SECRET])],
    "id must be a text of 1 to 255 characters that can be printed": [
        a_message(BODY, headers={"id": "a\0b"}),
        a_message(BODY, headers={"id": "\ud800"}),
        a_message(BODY, headers={"id": "x" * 256}),
        a_message(BODY, headers={"id": None}),
        a_message(BODY, headers={"id": 7}),
        a_message({"task": "probe.work", "kwargs": ARGUMENTS}, headers={"task": None, "id": None}),
    ],
    "there is no header task": [a_message(BODY, headers={"task": None})],
    "task must be a text": [a_message(BODY, headers={"task": [SECRET]})],
    "there is no task of this name": [
        a_message(BODY, headers={"task": "probe.wrok"}),
        a_message(BODY, headers={"task": "celery.map"}),
        a_message([[], {"payment_id": "a\0b", "note": "\ud800"}, {}], headers={"task": "4242424242424242"}),
    ],
    "only content of type application/json is taken": [
        a_message(BODY, envelope={"content-type": "application/x-python-serialize"}),
        a_message(BODY, envelope={"content-type": "text/plain"}),
        a_message(BODY, envelope={"content-type": "image/png"}),
    ],
    "eta and expires must be instants in ISO 8601": [
        a_message(BODY, headers={"eta": "soon"}),
        a_message(BODY, headers={"eta": 7}),
        a_message(BODY, headers={"expires": {}}),
    ],
    "it had expired before a worker took it": [
        a_message(BODY, headers={"expires": YESTERDAY}),
        a_message(
            {"task": "probe.work", "id": "1", "expires": YESTERDAY}, headers={"task": None, "id": None}
        ),
    ],
    "eta may be at most 3 s ahead: keep what is to happen later yourself": [
        a_message(BODY, headers={"eta": TOMORROW})
    ],
    "retries must be a number": [
        a_message(BODY, headers={"retries": "many"}),
        a_message(BODY, headers={"retries": -1}),
    ],
    "it came back 11 times without having been finished": [a_message(BODY, headers={"redeliveries": 11})],
}


def test_each_is_kept_and_its_neighbours_are_run(scene: Scene) -> None:
    worker = scene.worker(concurrency=1)
    messages = [(why, message) for why, messages in MALFORMED.items() for message in messages]

    for number, (_, message) in enumerate(messages):
        scene.broker.lpush(QUEUE, message)
        scene.send("work", f"{number}")
    neighbours = [f"{number}" for number in range(len(messages))]
    scene.wait_for("ended", *neighbours, seconds=30)

    scene.wait_until_empty()
    assert [kept["errors"] for kept in scene.kept()] == [[why] for why, _ in messages]
    assert scene.said("begun") == neighbours
    assert worker.running
    assert "Connection to broker lost" not in worker.output()
    assert SECRET not in worker.output()
    assert "4242424242" not in (worker.output() + str(scene.kept())).replace(" ", "")


def test_what_cannot_be_read_is_kept_without_its_secrets(scene: Scene) -> None:
    scene.worker(concurrency=1)
    undated = {"__type__": "datetime", "__value__": "never"}
    arguments = {"payment_id": undated, "password": SECRET, "note": CARD, "cards": CARD.split()}
    body = json.dumps([[], arguments, {}])
    encoded = base64.b64encode(body.encode()).decode()

    scene.broker.lpush(
        QUEUE,
        a_message([[], arguments, {}]),
        body[:-4],
        json.dumps({"body": encoded, "headers": undated}),
        json.dumps({"body": encoded})[:-2],
        a_message(raw_body=base64.b64encode(body[:-4].encode()).decode()),
    )
    wait_until(lambda: len(scene.kept()) == 5)

    kept = json.dumps(scene.kept())
    assert SECRET not in kept
    assert CARD not in kept
    assert encoded[-60:-8] not in kept
    assert '"4242"' not in kept


def test_the_arguments_are_kept_where_there_are_any(scene: Scene) -> None:
    scene.worker(concurrency=1)

    scene.broker.lpush(
        QUEUE,
        a_message([[], {"payment_id": "p1", "amount": 5}, {}], headers={"task": "shop.pay", "id": "m1"}),
    )
    wait_until(scene.kept)

    assert scene.kept() == [
        {
            "task": "shop.pay",
            "arguments": {"payment_id": "p1", "amount": 5},
            "errors": ["there is no task of this name"],
            "request_id": "m1",
        }
    ]


def test_what_has_no_id_is_kept_under_the_same_one_at_each_delivery(scene: Scene) -> None:
    scene.worker(concurrency=1)
    nameless, another = (a_message(BODY, headers={"id": None}) for _ in range(2))

    scene.broker.lpush(QUEUE, nameless, nameless, another)
    wait_until(lambda: len(scene.kept()) == 3)

    first, again, other = (kept["request_id"] for kept in scene.kept())
    assert first == again != other
    assert UUID(first)


def test_what_cannot_be_kept_takes_no_slot_and_comes_back(scene: Scene) -> None:
    worker = scene.worker(concurrency=1, visibility_seconds=2)
    scene.journal.set("away", "yes")

    scene.broker.lpush(QUEUE, *[a_message(BODY, headers={"task": "shop.pay"}) for _ in range(3)])
    scene.send("work", "beside")
    scene.wait_for("ended", "beside")
    wait_until(lambda: scene.unacknowledged() == 3)
    scene.journal.delete("away")

    wait_until(lambda: len(scene.kept()) == 3)
    scene.wait_until_empty()
    assert worker.running


def test_a_message_in_the_older_protocol_or_from_elsewhere_is_run(scene: Scene) -> None:
    scene.worker()
    older = {"task": "probe.work", "id": "1", "args": [], "kwargs": {"payment_id": "older"}}
    elsewhere = {"delivery_info": {"exchange": "nowhere", "routing_key": "nothing"}}

    scene.broker.lpush(QUEUE, a_message(older, headers={"task": None, "id": None}))
    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "elsewhere"}, {}], properties=elsewhere))

    scene.wait_for("ended", "older", "elsewhere")
    scene.wait_until_empty()


def test_in_the_worker_itself_it_becomes_a_row(
    worker: Callable[..., Process], redis_client: "redis.Redis", rows: Rows
) -> None:
    request_id = str(uuid4())
    headers = {"task": "payment_worker.chrage", "id": request_id}
    running = worker(concurrency=1)

    redis_client.lpush(QUEUE, a_message(BODY, headers=headers), b"\xff is no message")

    wait_until(lambda: len(rows("SELECT 1 FROM rejected_request")) == 2)
    (kept,) = rows("SELECT * FROM rejected_request WHERE request_id = %s", request_id)
    assert kept["task"] == "payment_worker.chrage"
    assert kept["errors"][0]["message"] == "there is no task of this name"
    assert kept["arguments"]["card_number"] == "***"
    assert running.running


def test_a_task_outside_its_queue_is_kept_and_not_run(
    worker: Callable[..., Process], redis_client: "redis.Redis", rows: Rows
) -> None:
    worker(concurrency=1)
    misplaced = {"payment_worker.charge": "refunds", "payment_worker.reconcile": "charges"}

    for task, queue in misplaced.items():
        redis_client.lpush(queue, a_message(BODY, headers={"task": task}))

    wait_until(lambda: len(rows("SELECT 1 FROM rejected_request")) == 2)
    errors = rows("SELECT task, errors[0] AS error FROM rejected_request ORDER BY task")
    assert [(each["task"], each["error"]["code"]) for each in errors] == [
        (task, "wrong_queue") for task in misplaced
    ]
    assert rows("SELECT 1 FROM payment UNION SELECT 1 FROM reconciliation_run") == []


def test_what_expired_in_the_queue_is_kept_unless_beat_sent_it(
    worker: Callable[..., Process], redis_client: "redis.Redis", rows: Rows
) -> None:
    headers = {"task": "payment_worker.charge", "expires": YESTERDAY}
    scheduled = {"task": "payment_worker.publish_events", "expires": YESTERDAY}
    redis_client.lpush("maintenance", a_message([[], {}, {}], headers=scheduled))
    redis_client.lpush("charges", a_message(BODY, headers=headers))

    running = worker(concurrency=1)
    wait_until(lambda: rows("SELECT 1 FROM rejected_request"))
    running.wait_for_output("publish_events had expired")

    (kept,) = rows("SELECT * FROM rejected_request")
    assert (kept["task"], kept["errors"][0]["code"]) == ("payment_worker.charge", "expired")
