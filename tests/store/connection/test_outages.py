"""What passes by itself or is ended by an operator is an outage, told by SQLSTATE; a statement's own fault is not."""

import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payment_worker.devstack.ports import free_port
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.store.connection.database import Database, DatabaseUnavailableError, Outage
from tests.harness.rows import Rows

WRITE = "INSERT INTO pause (kind, paused_by, paused_at) VALUES ('all', 'ada', now())"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, connections=1)) as opened:
        yield opened


def _outage(database: Database, *statements: str) -> DatabaseUnavailableError:
    with pytest.raises(DatabaseUnavailableError) as caught:
        _execute(database, *statements)
    return caught.value


def _execute(database: Database, *statements: str) -> None:
    with database.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _raised(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"


def test_a_read_only_database_is_an_outage_with_code_host_and_word(
    database: Database, postgresql: PostgreSQL, database_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    postgresql.set_read_only(name, read_only=True)

    error = _outage(database, WRITE)

    assert (error.outage, error.sqlstate) == (Outage.READ_ONLY, "25006")
    assert str(error) == f"read-only (25006) at 127.0.0.1:{postgresql.port}"


def test_a_database_that_is_writable_again_is_written_to_at_once(
    database: Database, postgresql: PostgreSQL, database_url: str, rows: Rows
) -> None:
    name = urlsplit(database_url).path[1:]
    postgresql.set_read_only(name, read_only=True)
    _outage(database, WRITE)
    postgresql.set_read_only(name, read_only=False)

    _execute(database, WRITE)

    assert rows("SELECT kind FROM pause") == [{"kind": "all"}]


@pytest.mark.parametrize(
    ("sqlstate", "outage"),
    [
        ("08006", Outage.CONNECTION_LOST),
        ("25P03", Outage.IDLE_TIMEOUT),
        ("40001", Outage.CONFLICT),
        ("40P01", Outage.CONFLICT),
        ("42501", Outage.NO_PERMISSION),
        ("53000", Outage.OUT_OF_RESOURCES),
        ("53100", Outage.DISK_FULL),
        ("53200", Outage.OUT_OF_MEMORY),
        ("53300", Outage.TOO_MANY_CONNECTIONS),
        ("55000", Outage.BUSY),
        ("55P03", Outage.BUSY),
        ("57014", Outage.TIMEOUT),
        ("57P02", Outage.SHUTTING_DOWN),
        ("57P03", Outage.STARTING),
        ("58030", Outage.STORAGE_ERROR),
        ("XX001", Outage.INTERNAL_ERROR),
    ],
)
def test_what_an_operator_or_time_ends_is_an_outage(
    database: Database, sqlstate: str, outage: Outage
) -> None:
    error = _outage(database, _raised(sqlstate))
    assert (error.outage, error.sqlstate) == (outage, sqlstate)


@pytest.mark.parametrize("sqlstate", ["22003", "22P05", "23505", "23514", "42601", "54000", "P0001", "0A000"])
def test_what_a_statement_itself_is_to_blame_for_is_none(database: Database, sqlstate: str) -> None:
    with pytest.raises(DBAPIError):
        _execute(database, _raised(sqlstate))


def test_a_backend_that_an_administrator_ended_is_an_outage(database: Database) -> None:
    error = _outage(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    # The server's last words may be lost with the connection.
    assert error.outage in {Outage.SHUTTING_DOWN, Outage.CONNECTION_LOST}


def test_a_transaction_that_idled_too_long_is_an_outage(database: Database, rows: Rows) -> None:
    def idle() -> None:
        with database.begin() as connection:
            backend = connection.scalar(text("SELECT pg_backend_pid()"))
            connection.execute(text("SET idle_in_transaction_session_timeout = '20ms'"))
            rows.wait_for("SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", backend)
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError) as caught:
        idle()
    assert caught.value.outage in {Outage.IDLE_TIMEOUT, Outage.CONNECTION_LOST}


def test_each_way_in_which_connecting_fails_has_its_own_word(
    postgresql: PostgreSQL, database_url: str
) -> None:
    parts = urlsplit(database_url)
    place = f"127.0.0.1:{postgresql.port}"
    postgresql.execute("DROP ROLE IF EXISTS crowded")
    postgresql.execute("CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 0")
    addresses = {
        f"postgresql://{parts.username}:wrong@{place}{parts.path}": (Outage.WRONG_PASSWORD, "28P01"),
        f"postgresql://{parts.username}:{parts.password}@{place}/nowhere": (Outage.NO_DATABASE, "3D000"),
        f"postgresql://crowded:crowded@{place}{parts.path}": (Outage.TOO_MANY_CONNECTIONS, "53300"),
        f"postgresql://a:b@127.0.0.1:{free_port()}/c": (Outage.NOTHING_LISTENS, None),
        "postgresql://a:b@no-such-host.invalid/c": (Outage.NAME_UNKNOWN, None),
        f"{database_url}?sslmode=require": (Outage.TLS_FAILED, None),
        f"{database_url}?target_session_attrs=standby": (Outage.NO_WRITABLE_SERVER, None),
        "postgresql://a:b@/c?host=/no/such/directory": (Outage.NOTHING_LISTENS, None),
    }
    for address, (outage, sqlstate) in addresses.items():
        with closing(Database(address)) as database:
            error = _outage(database, "SELECT 1")
        assert (error.outage, error.sqlstate) == (outage, sqlstate), address
        assert not re.search("wrong|crowded", str(error).removeprefix("wrong password"))
    postgresql.execute("DROP ROLE crowded")
