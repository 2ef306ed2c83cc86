"""A statement that is a transaction of its own is committed at once, and meets outages as other transactions do."""

from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import func, select, text

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.store import tables
from payment_worker.store.connection.database import Database, DatabaseUnavailableError, Outage
from payment_worker.store.statements import Row, write_if_found
from tests.harness.rows import Rows

PAUSE = "INSERT INTO pause (kind, paused_by, paused_at) VALUES (%(kind)s, 'ada', now()) RETURNING kind"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, connections=1)) as opened:
        yield opened


def _outage(database: Database, statement: str, **parameters: object) -> Outage:
    with pytest.raises(DatabaseUnavailableError) as caught:
        database.run(statement, parameters)
    return caught.value.outage


def test_it_is_committed_when_its_first_row_is_returned(database: Database, rows: Rows) -> None:
    assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}
    assert rows("SELECT kind FROM pause") == [{"kind": "charge"}]
    assert database.run("SELECT kind FROM pause WHERE kind = 'refund'", {}) is None


def test_the_next_transaction_on_its_connection_can_be_rolled_back(database: Database, rows: Rows) -> None:
    database.run(PAUSE, {"kind": "charge"})
    with suppress(ZeroDivisionError), database.begin() as connection:
        connection.execute(text("DELETE FROM pause"))
        raise ZeroDivisionError
    assert rows("SELECT kind FROM pause") == [{"kind": "charge"}]


def test_its_own_fault_is_no_outage_and_leaves_a_connection_that_works(
    database: Database, rows: Rows
) -> None:
    database.run(PAUSE, {"kind": "charge"})
    with pytest.raises(psycopg2.IntegrityError):
        database.run(PAUSE, {"kind": "charge"})
    assert database.run(PAUSE, {"kind": "refund"}) == {"kind": "refund"}
    with database.begin() as connection:
        connection.execute(text("DELETE FROM pause"))
    assert not rows("SELECT kind FROM pause")


def test_a_read_only_database_that_is_writable_again_is_written_to_at_once(
    database: Database, postgresql: PostgreSQL, database_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    postgresql.set_read_only(name, read_only=True)
    assert _outage(database, PAUSE, kind="charge") is Outage.READ_ONLY
    postgresql.set_read_only(name, read_only=False)
    assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}


def test_a_connection_that_was_lost_is_replaced(database: Database) -> None:
    ended = _outage(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    # The server's last words may be lost with the connection.
    assert ended in {Outage.SHUTTING_DOWN, Outage.CONNECTION_LOST}
    assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}


def test_after_a_lost_connection_no_other_of_its_pool_is_used(database_url: str, rows: Rows) -> None:
    with closing(Database(database_url, connections=2)) as database:
        with database.begin(), database.begin():
            pass
        rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert _outage(database, "SELECT 1") in {Outage.SHUTTING_DOWN, Outage.CONNECTION_LOST}
        assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}


def test_rows_whose_order_would_be_left_to_chance_are_refused(database: Database, rows: Rows) -> None:
    kinds = [
        Row(tables.pause, {"kind": kind, "paused_by": "ada", "paused_at": func.now()})
        for kind in ("all", "charge")
    ]
    with pytest.raises(AssertionError):
        write_if_found(database, select(tables.pause.c.kind), {}, kinds)
    assert not rows("SELECT kind FROM pause")


def test_no_statement_of_a_database_that_is_away(postgresql: PostgreSQL) -> None:
    with closing(Database(postgresql.url("nowhere"), connections=1)) as database:
        assert _outage(database, "SELECT 1") is Outage.NO_DATABASE
