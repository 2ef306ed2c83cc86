"""A relay's run publishes what all workers committed before it, and what is committed later has one enqueued."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from payment_worker.redis.stream import BELL, CLOCKS_DIFFER_BY_SECONDS, GATHERING_SECONDS, Stream

HINT_SECONDS = 60
COVERED_SECONDS = GATHERING_SECONDS - CLOCKS_DIFFER_BY_SECONDS


class Clock:
    """A monotonic clock that two processes share."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def first(redis_url: str, clock: Clock) -> Iterator[Stream]:
    with closing(a_stream(redis_url, clock)) as made:
        yield made


@pytest.fixture
def second(redis_url: str, clock: Clock) -> Iterator[Stream]:
    with closing(a_stream(redis_url, clock)) as made:
        yield made


def a_stream(url: str, clock: Clock) -> Stream:
    return Stream(url, name="s", max_length=9, hint_seconds=HINT_SECONDS, monotonic=clock)


def test_the_first_commit_enqueues_the_relay_for_all_processes(first: Stream, second: Stream) -> None:
    assert first.notify_relay()
    assert not first.notify_relay()
    assert not second.notify_relay()


def test_a_commit_after_the_run_began_enqueues_the_next(first: Stream, second: Stream, clock: Clock) -> None:
    first.notify_relay()
    second.notify_relay()
    clock.now += GATHERING_SECONDS
    second.begin()
    assert first.notify_relay()
    assert not second.notify_relay()


def test_redis_is_not_asked_before_the_enqueued_run_can_begin(
    first: Stream, clock: Clock, redis_client: "redis.Redis"
) -> None:
    first.notify_relay()
    redis_client.delete(BELL)
    clock.now += COVERED_SECONDS * 0.99
    assert not first.notify_relay()
    clock.now += COVERED_SECONDS * 0.02
    assert first.notify_relay()


def test_nor_by_a_process_that_learned_from_redis_of_anothers_call(
    second: Stream, clock: Clock, redis_client: "redis.Redis"
) -> None:
    redis_client.set(
        BELL, 1, px=10 * HINT_SECONDS * 1000
    )  # as one who keeps it longer, and so set not long ago
    second.notify_relay()
    redis_client.delete(BELL)
    clock.now += COVERED_SECONDS * 0.99
    assert not second.notify_relay()


def test_but_at_each_commit_once_that_run_may_have_begun(second: Stream, redis_client: "redis.Redis") -> None:
    redis_client.set(BELL, 1, px=(HINT_SECONDS - 1) * 1000)  # set a second ago
    assert not second.notify_relay()
    redis_client.delete(BELL)
    assert second.notify_relay()
