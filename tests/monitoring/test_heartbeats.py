"""A queue that no worker takes messages from is seen within half a minute, whether anything waits in it or not."""

from collections.abc import Callable

import pytest
import redis
from celery import Celery

from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until
from payment_worker.redis.heartbeats import CONSUMERS_KEY, FRESH_SECONDS, NOTED_EVERY_SECONDS, Consumers
from tests.harness.length import long
from tests.harness.producer import Producer

Start = Callable[..., Process]

QUEUES = ("charges", "refunds", "events", "maintenance")


@pytest.fixture
def consumers(redis_client: "redis.Redis") -> Consumers:
    return Consumers(redis_client)


@pytest.fixture
def operator(producer: Producer) -> Celery:
    """Whoever types `celery control …`."""
    return producer.app


def _wait_for(consumers: Consumers, **counts: int) -> None:
    wanted = {**dict.fromkeys(QUEUES, 0), **counts}
    wait_until(
        lambda: consumers.count(QUEUES) == wanted,
        seconds=FRESH_SECONDS - NOTED_EVERY_SECONDS,
        what=f"consumers {wanted}",
    )


@pytest.mark.parametrize("pool", ["prefork", long("threads"), long("solo")])
def test_each_worker_records_what_it_consumes_and_that_it_ended(
    worker: Start, consumers: Consumers, pool: str
) -> None:
    worker(pool="threads", queues="charges,refunds")
    news = worker(pool=pool, queues="events,maintenance,refunds")
    _wait_for(consumers, charges=1, refunds=2, events=1, maintenance=1)
    news.stop()
    _wait_for(consumers, charges=1, refunds=1)


def test_a_canceled_queue_is_not_consumed_until_it_is_added_again(
    worker: Start, consumers: Consumers, operator: Celery
) -> None:
    worker(pool="threads")
    _wait_for(consumers, **dict.fromkeys(QUEUES, 1))
    operator.control.cancel_consumer("charges")
    _wait_for(consumers, refunds=1, events=1, maintenance=1)
    operator.control.add_consumer("charges")
    _wait_for(consumers, **dict.fromkeys(QUEUES, 1))


def test_a_worker_renews_its_heartbeat_while_it_runs(
    worker: Start, consumers: Consumers, redis_client: "redis.Redis"
) -> None:
    worker(pool="threads")
    _wait_for(consumers, **dict.fromkeys(QUEUES, 1))
    redis_client.delete(*(f"{CONSUMERS_KEY}{queue}" for queue in QUEUES))
    _wait_for(consumers, **dict.fromkeys(QUEUES, 1))


def test_the_heartbeat_of_a_killed_worker_goes_stale(
    consumers: Consumers, redis_client: "redis.Redis"
) -> None:
    consumers.record("dead@here", QUEUES, queues=QUEUES)
    redis_client.zincrby(f"{CONSUMERS_KEY}charges", -FRESH_SECONDS, "dead@here")
    assert consumers.count(["charges", "refunds"]) == {"charges": 0, "refunds": 1}
    consumers.record("living@here", ["charges"], queues=QUEUES)
    assert redis_client.zrange(f"{CONSUMERS_KEY}charges", 0, -1) == ["living@here"]
