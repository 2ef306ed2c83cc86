"""The access list that the docs give workers and beat is enough for a charge, and denies what is dangerous."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.harness.access_list import as_documented_user
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows


@pytest.fixture
def address(own_valkey: Valkey) -> str:
    """Redis as a worker reaches it."""
    return as_documented_user(own_valkey.url(), "worker")


@pytest.fixture
def admin(own_valkey: Valkey, address: str) -> Iterator["redis.Redis"]:
    assert address
    with closing(redis.Redis.from_url(own_valkey.url(), decode_responses=True)) as client:
        yield client


def test_a_worker_does_its_work_with_it(  # noqa: PLR0917 fixtures
    admin: "redis.Redis",
    address: str,
    own_valkey: Valkey,
    environment: dict[str, str],
    worker: Callable[..., Process],
    beat: Callable[..., Process],
    rows: Rows,
) -> None:
    environment["REDIS_URL"] = address
    charge = a_charge()
    with closing(Producer(own_valkey.url())) as app:
        app.charge(**a_charge())
        app.charge(**charge)

    beat()
    running = worker(concurrency=2, pool="threads")
    rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", charge["payment_id"]
    )
    wait_until(lambda: admin.xlen("payment_worker.events") >= 2, seconds=20)
    running.stop()

    denied = admin.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]
    assert denied == []


@pytest.mark.parametrize(
    "command",
    [
        "flushall",
        "config get *",
        "client kill type normal",
        "keys *",
        "debug sleep 0",
        "acl list",
        "shutdown",
    ],
)
def test_it_denies_what_a_worker_does_not_need(command: str, admin: "redis.Redis") -> None:
    said = admin.execute_command("ACL", "DRYRUN", "worker", *command.split())  # type: ignore[no-untyped-call]

    assert "no permissions" in str(said)
