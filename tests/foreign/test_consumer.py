"""An app's consumer handles each outcome once, whoever dies, and sets aside what cannot be handled."""

import json
import subprocess
import sys
from collections.abc import Callable
from uuid import uuid4

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until
from tests.foreign.conftest import EXAMPLES
from tests.harness.access_list import as_documented_user
from tests.harness.rows import Rows

STREAM, DEAD = "payment_worker.events", "payment_worker.events.dead"
CHARGES = "CREATE TABLE charge (payment_id uuid PRIMARY KEY, outcome text)"
Consume = Callable[..., Process]


@pytest.fixture
def shop_environment(shop_environment: dict[str, str], redis_url: str) -> dict[str, str]:
    """An app that may read outcomes and do nothing else, as the docs say."""
    return {**shop_environment, "REDIS_URL": as_documented_user(redis_url, "reader")}


@pytest.fixture
def payment_id(shop_rows: Rows) -> str:
    """A charge that the app has asked for."""
    shop_rows(CHARGES)
    return _asked_for(shop_rows)


def _asked_for(shop_rows: Rows) -> str:
    payment_id = str(uuid4())
    shop_rows("INSERT INTO charge (payment_id) VALUES (%s)", payment_id)
    return payment_id


def _publish(
    stream: "redis.Redis", payment_id: str, kind: str = "PaymentSucceeded", *, copies: int = 1
) -> None:
    message = {"id": str(uuid4()), "type": kind, "subject": payment_id, "data": {}}
    for _ in range(copies):
        stream.xadd(STREAM, {"event": json.dumps(message)})


def _wait_for_outcome(shop_rows: Rows, payment_id: str) -> None:
    shop_rows.wait_for("SELECT 1 FROM charge WHERE payment_id = %s AND outcome IS NOT NULL", payment_id)


def test_a_message_that_comes_twice_is_handled_once(
    consume: Consume, redis_client: "redis.Redis", shop_rows: Rows, payment_id: str
) -> None:
    last = _asked_for(shop_rows)
    _publish(redis_client, payment_id, copies=2)
    _publish(redis_client, last)
    with consume() as consumer:
        _wait_for_outcome(shop_rows, last)
        assert consumer.output().count(f"PaymentSucceeded {payment_id}") == 1
    assert len(shop_rows("SELECT * FROM handled_message")) == 2


def test_what_a_consumer_held_when_it_died_is_handled_by_another(
    consume: Consume, redis_client: "redis.Redis", shop_rows: Rows, payment_id: str
) -> None:
    _publish(redis_client, payment_id)
    redis_client.xgroup_create(STREAM, "shop", id="0")
    assert redis_client.xreadgroup("shop", "died", {STREAM: ">"})
    with consume("another"):
        _wait_for_outcome(shop_rows, payment_id)


def test_after_redis_lost_its_memory_it_goes_on(
    consume: Consume, redis_client: "redis.Redis", shop_rows: Rows, payment_id: str
) -> None:
    _publish(redis_client, payment_id)
    with consume():
        _wait_for_outcome(shop_rows, payment_id)
        redis_client.delete(STREAM)
        later = _asked_for(shop_rows)
        _publish(redis_client, later)
        _wait_for_outcome(shop_rows, later)


def test_what_cannot_be_handled_is_set_aside_and_handled_once_it_can_be(
    consume: Consume,
    redis_client: "redis.Redis",
    shop_rows: Rows,
    shop_environment: dict[str, str],
) -> None:
    payment_id = str(uuid4())
    _publish(redis_client, payment_id)  # there is no table for it yet
    with consume() as consumer:
        wait_until(lambda: redis_client.xlen(DEAD) == 1, seconds=20, what="a dead letter")
        assert consumer.output().count("not handled, delivery") == 5
        shop_rows(CHARGES)
        second = _asked_for(shop_rows)
        _publish(redis_client, second)
        _wait_for_outcome(shop_rows, second)
    shop_rows("INSERT INTO charge (payment_id) VALUES (%s)", payment_id)

    again = [sys.executable, str(EXAMPLES / "python" / "consumer.py"), "shop", "--dead"]
    subprocess.run(again, env=shop_environment, check=True, timeout=30)

    _wait_for_outcome(shop_rows, payment_id)
    assert redis_client.xlen(DEAD) == 0
