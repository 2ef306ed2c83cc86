"""Every command that meets an outage says which: the word, the code, the host, and what to do."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from payment_worker.devstack.servers.postgresql import PostgreSQL
from tests.cli.conftest import Run


@pytest.fixture
def read_only(postgresql: PostgreSQL, database_url: str) -> Iterator[str]:
    """The address as messages tell it, of a database that takes no writes."""
    name = urlsplit(database_url).path[1:]
    postgresql.set_read_only(name, read_only=True)
    yield f"127.0.0.1:{postgresql.port}"
    postgresql.set_read_only(name, read_only=False)


@pytest.mark.parametrize("arguments", [("pause",), ("resume",), ("reconcile",)])
def test_a_command_that_writes_says_plainly_that_the_database_is_read_only(
    run: Run, read_only: str, arguments: tuple[str, ...]
) -> None:
    ran = run(*arguments)

    assert ran.status == 1
    assert ran.err.startswith(
        f"PostgreSQL cannot serve now: read-only (25006) at {read_only}.\n→ make it writable"
    )


def test_the_doctor_writes_and_so_sees_that_the_database_is_read_only(run: Run, read_only: str) -> None:
    ran = run("doctor", "--json")

    (database,) = [check for check in json.loads(ran.out)["checks"] if check["name"] == "database"]
    assert ran.status == 1
    assert database["verdict"] == "problem"
    assert database["says"] == f"cannot serve: read-only (25006) at {read_only}"
