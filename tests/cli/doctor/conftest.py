"""A system in which nothing is wrong: a worker that takes from every queue, and the doctor's report."""

import json

import pytest
import redis

from payment_worker.redis.heartbeats import Consumers
from tests.cli.conftest import Ran, Run

PAYMENT = "11111111-1111-4111-8111-111111111111"


QUEUES = ("charges", "refunds", "events", "maintenance")


@pytest.fixture
def redis_client(redis_client: "redis.Redis") -> "redis.Redis":
    """Where a worker of all queues has just noted that it takes them."""
    Consumers(redis_client).record("worker@here", QUEUES, queues=QUEUES)
    return redis_client


@pytest.fixture
def run(run: Run, redis_client: "redis.Redis") -> Run:  # noqa: ARG001 - a worker is there
    """Runs `payment-worker` where a worker takes all queues."""
    return run


def problems_in(ran: Ran) -> dict[str, str]:
    """What is wrong, by the name of the check; each must say how to fix it."""
    told = json.loads(ran.out)
    wrong = [check for check in told["checks"] if check["verdict"] == "problem"]
    assert all(check["remedy"] for check in wrong)
    assert (ran.status, told["healthy"]) == ((1, False) if wrong else (0, True))
    return {check["name"]: check["says"] for check in wrong}
