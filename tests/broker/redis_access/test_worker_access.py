"""The access list that the docs give workers and beat is enough for a charge, and denies what is dangerous."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows

PAGE = Path(__file__).parents[3] / "docs/how-to/secure.md"
PASSWORD = "of-the-worker"


@pytest.fixture
def admin(own_valkey: Valkey) -> Iterator["redis.Redis"]:
    with closing(redis.Redis.from_url(own_valkey.url(), decode_responses=True)) as client:
        (rule,) = re.findall(r"^ +ACL SETUSER (worker .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        client.execute_command("ACL", "SETUSER", *rule.replace("PASSWORD", PASSWORD).split())  # type: ignore[no-untyped-call]
        yield client


def test_a_worker_does_its_work_with_it(  # noqa: PLR0917 fixtures
    admin: "redis.Redis",
    own_valkey: Valkey,
    environment: dict[str, str],
    worker: Callable[..., Process],
    beat: Callable[..., Process],
    rows: Rows,
) -> None:
    url = urlsplit(own_valkey.url())
    environment["REDIS_URL"] = url._replace(netloc=f"worker:{PASSWORD}@{url.hostname}:{url.port}").geturl()
    charge = a_charge()
    with closing(Producer(own_valkey.url())) as app:
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
