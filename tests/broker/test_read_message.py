"""Celery is given what was read of a message, which is not encoded and decoded once more."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Retry

from payment_worker.broker.read_message import ReadMessage
from payment_worker.broker.shown_arguments import RedactedTask
from payment_worker.broker.validate_message import COUNTDOWN, Rules, read

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(queues={"t": ("charges",)}, farthest_eta_seconds=30)
COUNTED = "payment_worker.looked"


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


@pytest.fixture
def retried() -> Any:  # noqa: ANN401 - kombu has no types
    """The message of a task that was retried after 4.2 seconds, by this machine's clock."""
    app = Celery("test", broker="memory://", task_cls=RedactedTask, set_as_current=False)

    @app.task(name="t", bind=True)  # type: ignore[untyped-decorator] # Celery has no types
    def task(_: Any) -> None:  # noqa: ANN401
        """Nothing."""

    task.push_request(id="1", args=[], kwargs={}, retries=0, called_directly=False, headers={COUNTED: 2})
    with app.connection() as connection:
        with pytest.raises(Retry):
            task.retry(countdown=4.2, queue="charges", connection=connection, max_retries=None)
        return connection.SimpleQueue("charges").get(block=False)


@pytest.mark.parametrize("clock", [timedelta(minutes=-10), timedelta(), timedelta(minutes=10)])
def test_a_retry_waits_its_countdown_whatever_the_clocks_say(clock: timedelta, retried: Any) -> None:  # noqa: ANN401
    now = datetime.now(UTC) + clock
    task_message = read(retried, RULES, now=now)
    assert task_message.eta == now + timedelta(seconds=4.2)
    assert task_message.carried[COUNTED] == 2


@pytest.mark.parametrize(
    ("later", "waits"),
    [(timedelta(minutes=-10), True), (timedelta(minutes=-1), True), (timedelta(seconds=5), False)],
)
def test_what_comes_back_from_a_dead_worker_does_not_wait_anew(
    later: timedelta,
    waits: bool,  # noqa: FBT001 a parameter of pytest's
    retried: Any,  # noqa: ANN401
) -> None:
    now = datetime.now(UTC) + later
    retried.headers["redelivered"] = True
    eta = read(retried, RULES, now=now).eta
    assert (eta is not None) == waits
    assert eta is None or eta <= now + timedelta(seconds=4.2)


@pytest.mark.parametrize(("countdown", "seconds"), [(-3000, None), (0, None), (10**9, 30), (10**999, 30)])
def test_a_countdown_of_anybodys_is_bounded(
    countdown: int,
    seconds: int | None,
    retried: Any,  # noqa: ANN401
) -> None:
    retried.headers[COUNTDOWN] = countdown
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert read(retried, RULES, now=NOW).eta == expected
