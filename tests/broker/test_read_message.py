"""Celery is given what was read of a message, which is not encoded and decoded once more."""

from datetime import UTC, datetime
from types import SimpleNamespace

from payment_worker.broker.read_message import ReadMessage
from payment_worker.broker.validate_message import Rules, read

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(queues={"t": ("charges",)}, farthest_eta_seconds=1)


def test_the_content_is_what_was_read() -> None:
    received = SimpleNamespace(
        headers={"task": "t", "id": "1", "argsrepr": "secret"},
        payload=[[], {"payment_id": "p1"}, {"chain": ["t"]}],
        delivery_info={"routing_key": "charges"},
        delivery_tag="tag",
        channel=None,
        accept={"application/json"},
    )
    task_message = read(received, RULES, now=NOW)
    message = ReadMessage(received, task_message)
    assert message.payload == [[], {"payment_id": "p1"}, {}]
    assert message.payload[1] is task_message.kwargs
    assert not message.body
    assert message.headers == {"id": "1", "task": "t", "retries": 0, "lang": "py"}
