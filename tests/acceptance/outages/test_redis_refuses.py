"""A Redis that refuses writes for a while costs no request: none is counted, set aside or lost."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows

SOON = {"PAYMENT_WORKER_VISIBILITY_TIMEOUT": "8", "PAYMENT_WORKER_LEASE": "6"}


@pytest.fixture
def admin(own_valkey: Valkey) -> Iterator[Any]:
    with closing(redis.Redis.from_url(own_valkey.url())) as client:
        yield client


def _full(admin: Any, *, begins: bool) -> None:  # noqa: ANN401 - redis-py's types say async or not
    admin.config_set("maxmemory", "1" if begins else "0")


def _replica(admin: Any, *, begins: bool) -> None:  # noqa: ANN401 - as above
    admin.execute_command("REPLICAOF", *((LOOPBACK, free_port()) if begins else ("NO", "ONE")))


@pytest.mark.parametrize("trouble", [_full, _replica], ids=["OOM", "READONLY"])
def test_a_charge_that_runs_while_redis_refuses_writes_is_made_once_and_not_counted(
    own_valkey: Valkey,
    admin: Any,  # noqa: ANN401 - redis-py's types say async or not
    worker: Callable[..., Process],
    simulator: Simulator,
    rows: Rows,
    *,
    trouble: Callable[..., None],
) -> None:
    simulator.post("settings", {"latency_seconds": 1})
    worker(pool="threads", settings={"REDIS_URL": own_valkey.url(), **SOON})
    charge = a_charge()
    with closing(Producer(own_valkey.url())) as producer:
        producer.charge(**charge)
        rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s", charge["payment_id"])
        trouble(admin, begins=True)
        rows.wait_for(
            "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", charge["payment_id"]
        )
        trouble(admin, begins=False)
        later = a_charge()
        producer.charge(**later)
    rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", later["payment_id"])
    wait_until(lambda: not admin.zcard("unacked_index"), seconds=40, what="nothing is left with Redis")
    assert rows("SELECT task FROM rejected_request") == []
