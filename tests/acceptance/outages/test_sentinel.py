"""When sentinels make another Redis the master, the worker goes there, and nothing is lost or doubled.

The replica may not have heard everything: what it missed is found in PostgreSQL, or asked for again, as callers do.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import IMPATIENT
from tests.harness.books import Books
from tests.harness.length import long
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows
from tests.harness.sentinels import Sentinels

HANDS = 4
ENDS: Mapping[str, Callable[[Valkey], None]] = {
    "dies": lambda master: master.kill(),
    # Its connections stay open, and nothing answers; then it comes back and believes that it is the master.
    "freezes": lambda master: master.process.pause(),
}


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with Sentinels(tmp_path) as running:
        yield running


@pytest.fixture
def processes(
    sentinels: Sentinels,
    environment: dict[str, str],
    worker: Callable[..., Process],
    beat: Callable[..., Process],
) -> tuple[Process, ...]:
    """A worker and beat, which ask the sentinels."""
    environment |= {**IMPATIENT, "REDIS_URL": sentinels.url}
    return worker(pool="threads", concurrency=HANDS), beat()


@pytest.fixture
def shop(sentinels: Sentinels) -> Iterator[Producer]:
    """Another app, which asks them too."""
    url, options = sentinels.broker
    with closing(Producer(url)) as app:
        app.app.conf.broker_transport_options = options
        yield app


@dataclass(frozen=True)
class Money:
    """Where one sees what became of it."""

    rows: Rows
    simulator: Simulator


@pytest.fixture
def money(rows: Rows, simulator: Simulator) -> Money:
    return Money(rows, simulator)


@pytest.mark.parametrize("how", ["dies", long("freezes")])
def test_a_worker_that_holds_messages_goes_on_at_the_new_master(
    how: str, sentinels: Sentinels, shop: Producer, processes: tuple[Process, ...], money: Money
) -> None:
    rows, simulator = money.rows, money.simulator
    _charged(rows, [_sent(shop)])
    simulator.post("settings", {"latency_seconds": 0.5})
    charges = [_sent(shop) for _ in range(12)]
    master = sentinels.master
    wait_until(lambda: _unacknowledged(master) == HANDS, what="a worker with full hands")

    ENDS[how](master)
    promoted = sentinels.wait_for_other_master(master)
    if how == "freezes":
        master.process.resume()
    simulator.post("settings", {"latency_seconds": 0})

    for charge in charges:
        shop.charge(**charge)
    _charged(rows, [*charges, _sent(shop)])
    assert all(process.running for process in processes)
    with closing(redis.Redis.from_url(promoted.url(), decode_responses=True)) as client:
        Books(rows, simulator, client).must_agree()


def _sent(shop: Producer) -> dict[str, object]:
    charge = a_charge()
    shop.charge(**charge)
    return charge


def _charged(rows: Rows, charges: list[dict[str, object]]) -> None:
    for charge in charges:
        query = "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'"
        rows.wait_for(query, charge["payment_id"], seconds=60)


def _unacknowledged(server: Valkey) -> int:
    with closing(redis.Redis.from_url(server.url())) as client:
        return int(client.hlen("unacked"))
