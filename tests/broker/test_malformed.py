"""Whatever lies in a queue, the worker stays, the neighbours are run, and what cannot be run is kept, masked.

Upstream, celery 5.7.0: JSON that is no `[args, kwargs, embed]` stops one worker after the other, a missing id makes
a loop of reconnections, raw text costs a restart and is lost; the rest is dropped, with its whole body in the log.
"""

import base64
import json
from datetime import UTC, datetime, timedelta

from payment_worker.devstack.waiting import wait_until
from tests.broker.raw import QUEUE, a_message
from tests.broker.scene import Scene

CARD = "4242 4242 4242 4242"
SECRET = "hunter2-in-the-body"
ARGUMENTS = {"payment_id": "p1", "note": SECRET, "card_number": CARD}
BODY = [[], ARGUMENTS, {}]
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()

MALFORMED: dict[str, bytes] = {
    "this is not JSON": f"{SECRET} is no JSON".encode(),
    "no utf-8": b"\xff\xfe" + SECRET.encode(),
    "nested without end": b"[" * 100_000,
    "no message": json.dumps([SECRET]).encode(),
    "no properties": json.dumps({"body": SECRET}).encode(),
    "no delivery tag": a_message(BODY, properties={"delivery_tag": None}),
    "odd delivery info": a_message(BODY, properties={"delivery_info": "charges"}),
    "odd headers": a_message(BODY, envelope={"headers": None}),
    "no base64": a_message(raw_body="%%%"),
    "odd body encoding": a_message(BODY, properties={"body_encoding": "rot13"}),
    "odd body": a_message(BODY, envelope={"body": {"note": SECRET}}),
    "compressed": a_message(BODY, headers={"compression": "application/x-gzip"}),
    "too large": a_message([[], {"payment_id": "x" * 5_000_000}, {}]),
    "body is a number": a_message(7),
    "body is too short": a_message([[], ARGUMENTS]),
    "body is no JSON": a_message(raw_body=base64.b64encode(f"{{{SECRET}".encode()).decode()),
    "body is an invented type": a_message([[], {"payment_id": {"__type__": "datetime", "__value__": SECRET}}, {}]),
    "args are no list": a_message([{}, ARGUMENTS, {}]),
    "kwargs are no object": a_message([[], [SECRET], {}]),
    "embed is no object": a_message([[], ARGUMENTS, SECRET]),
    "no id": a_message(BODY, headers={"id": None}),
    "odd id": a_message(BODY, headers={"id": 7}),
    "no task": a_message(BODY, headers={"task": None}),
    "odd task": a_message(BODY, headers={"task": [SECRET]}),
    "unknown task": a_message(BODY, headers={"task": "probe.wrok"}),
    "pickle": a_message(BODY, envelope={"content-type": "application/x-python-serialize"}),
    "text": a_message(BODY, envelope={"content-type": "text/plain"}),
    "unknown type": a_message(BODY, envelope={"content-type": "image/png"}),
    "unknown charset": a_message(BODY, envelope={"content-encoding": "utf-9000"}),
    "odd eta": a_message(BODY, headers={"eta": "soon"}),
    "eta is a number": a_message(BODY, headers={"eta": 7}),
    "eta too far": a_message(BODY, headers={"eta": TOMORROW}),
    "odd expires": a_message(BODY, headers={"expires": {}}),
    "odd retries": a_message(BODY, headers={"retries": "many"}),
    "odd stamps": a_message(BODY, headers={"stamped_headers": 7, "expires": TOMORROW}),
    "came back too often": a_message(BODY, headers={"redeliveries": 11}),
    "protocol 1, no id": a_message({"task": "probe.work", "kwargs": ARGUMENTS}, headers={"task": None, "id": None}),
    "character 0": a_message([[], {"payment_id": "a\0b", "note": "\ud800"}, {}], headers={"task": "nul"}),
}


def test_each_is_kept_and_its_neighbours_are_run(scene: Scene) -> None:
    worker = scene.worker(concurrency=1)
    names = list(MALFORMED)

    for name in names:
        scene.broker.lpush(QUEUE, MALFORMED[name])
        scene.send("work", name)
    scene.wait_for("ended", *names, seconds=30)

    scene.wait_until_empty()
    assert [kept["errors"] for kept in scene.kept()] == [[error] for error in MALFORMED]
    assert worker.running
    assert "Connection to broker lost" not in worker.output()
    assert scene.said("begun") == names
    assert all(len(kept["errors"]) == 1 for kept in scene.kept())
    assert SECRET not in worker.output()
    assert "4242424242" not in (worker.output() + str(scene.kept())).replace(" ", "")


def test_the_arguments_are_kept_where_there_are_any(scene: Scene) -> None:
    scene.worker(concurrency=1)

    scene.broker.lpush(QUEUE, a_message([[], {"payment_id": "p1", "amount": 5}, {}], headers={"task": "shop.pay"}))
    wait_until(scene.kept)

    assert scene.kept() == [
        {
            "task": "shop.pay",
            "arguments": {"payment_id": "p1", "amount": 5},
            "errors": ["there is no task of this name"],
        }
    ]


def test_what_cannot_be_kept_takes_no_slot_and_comes_back(scene: Scene) -> None:
    worker = scene.worker(concurrency=1, visibility_seconds=2)
    scene.journal.set("away", "yes")

    scene.broker.lpush(QUEUE, *[a_message(BODY, headers={"task": "shop.pay"}) for _ in range(3)])
    scene.send("work", "beside")
    scene.wait_for("ended", "beside")
    assert scene.unacknowledged() == 3
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
