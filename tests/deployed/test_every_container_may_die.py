"""Whatever container of the deployed stack is killed while payments flow, none is lost and none is made twice.

Stripe's stand-in is spared: it is the other side, and its memory is the ledger that ours is compared with.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
import redis
from kombu.exceptions import OperationalError

from payment_worker.devstack.servers.simulator import RunningSimulator
from payment_worker.devstack.waiting import wait_until
from tests.deployed.stack import Stack
from tests.harness.books import Books
from tests.harness.producer import Producer
from tests.harness.rows import Rows

pytestmark = [
    pytest.mark.skipif(os.environ.get("TEST_NODES") != "containers", reason="`make test-docker` runs it"),
    pytest.mark.timeout(900),
]

VICTIMS = ("worker", "beat", "webhook", "redis", "postgres", "flower")
PATIENCE_SECONDS = 180


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The stack, just started."""
    made = Stack(tmp_path)
    try:
        yield made.start()
    finally:
        made.stop()


class _Shop:
    """An app that sends what it wants, and again whatever has no row: so its charges survive Redis."""

    def __init__(self, stack: Stack) -> None:
        self.rows, self._producer = Rows(stack.database_url), Producer(stack.redis_url)
        self._charges: dict[str, dict[str, object]] = {}
        self._refunds: dict[str, dict[str, object]] = {}

    def trade(self, number: int) -> None:
        """So many charges, and a refund of each."""
        for _ in range(number):
            payment_id, refund_id = str(uuid4()), str(uuid4())
            self._charges[payment_id] = {
                "payment_id": payment_id,
                "order_id": str(uuid4()),
                "amount": 1099,
                "currency": "EUR",
                "payment_method": "pm_card_visa",
            }
            self._refunds[refund_id] = {"refund_id": refund_id, "payment_id": payment_id, "amount": 100}
            self._send("charge", self._charges[payment_id])

    def _send(self, task: str, arguments: dict[str, object]) -> None:
        try:
            self._producer.send(f"payment_worker.{task}", f"{task}s", arguments, retry=False)
        except OperationalError:
            return  # there is no row either, and so it is sent again

    def is_served(self) -> bool:
        """Whether all of it is done; what is not even noted is asked for again."""
        try:
            done = self._asked_again(
                "charge", self._charges, "SELECT payment_id::text AS id, status FROM payment"
            )
            ended = self._asked_again(
                "refund", self._refunds, "SELECT refund_id::text AS id, status FROM refund"
            )
        except psycopg2.Error:
            self._reconnect()
            return False
        return done == {"SUCCEEDED"} and ended == {"PROCESSED"}

    def _asked_again(self, task: str, wanted: dict[str, dict[str, object]], query: str) -> set[str]:
        known = {row["id"]: row["status"] for row in self.rows(query)}
        for identity in wanted.keys() - known.keys():
            self._send(task, wanted[identity])
        return {known.get(identity, "unknown") for identity in wanted}

    def _reconnect(self) -> None:
        try:
            self.rows.reconnect()
        except psycopg2.OperationalError:
            return  # it is still away

    def close(self) -> None:
        self.rows.close()
        self._producer.close()


def test_every_container_may_be_killed_while_payments_flow(stack: Stack) -> None:
    simulator = RunningSimulator(stack.simulator_url)
    simulator.post("settings", {"latency_seconds": 0.3})
    with closing(_Shop(stack)) as shop:
        for victim in VICTIMS:
            shop.trade(6)
            stack.kill(victim)
            shop.trade(6)
            stack.wait_until_healthy(victim)
            wait_until(shop.is_served, seconds=PATIENCE_SECONDS, every_seconds=1, what=f"all after {victim}")
        with closing(redis.Redis.from_url(stack.redis_url, decode_responses=True)) as stream:
            Books(shop.rows, simulator, stream).must_agree(seconds=PATIENCE_SECONDS)
