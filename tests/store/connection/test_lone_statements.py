"""A statement that is a transaction of its own is committed at once, and meets outages as other transactions do."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import Text, bindparam, func, literal, select, text

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.store import tables
from payment_worker.store.connection.advisory_lock import POLL_LOCK, PRUNE_LOCK, alone
from payment_worker.store.connection.database import Database, DatabaseUnavailableError, Outage
from payment_worker.store.statements import Compiled, Row, write_if_found
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


def _backend(database: Database) -> int:
    row = database.run("SELECT pg_backend_pid() AS backend", {})
    assert row is not None
    return int(row["backend"])


@contextmanager
def _in_progress(database: Database, rows: Rows) -> Iterator["Future[int]"]:
    """A statement of another thread, which ends with this block; its result is its backend."""
    statement = "SELECT pg_backend_pid() AS backend, pg_advisory_xact_lock_shared(1)"
    with ThreadPoolExecutor(1) as thread:
        rows("SELECT pg_advisory_lock(1)")
        try:
            future = thread.submit(lambda: int((database.run(statement, {}) or {})["backend"]))
            rows.wait_for(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
            )
            yield future
        finally:
            rows("SELECT pg_advisory_unlock(1)")


def test_its_constants_are_part_of_its_text(database: Database) -> None:
    statement = Compiled(select(literal("100 % O'Hara's"), bindparam("given", type_=Text)))
    assert statement.rows(database, {"given": "50 % '%s'"}) == [("100 % O'Hara's", "50 % '%s'")]


def test_it_is_committed_when_its_first_row_is_returned(database: Database, rows: Rows) -> None:
    assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}
    assert rows("SELECT kind FROM pause") == [{"kind": "charge"}]
    assert database.run("SELECT kind FROM pause WHERE kind = 'refund'", {}) is None


def test_all_its_rows_are_returned_if_they_are_asked_for(database: Database) -> None:
    assert database.rows("SELECT n, n * n FROM generate_series(1, 3) AS n", {}) == [(1, 1), (2, 4), (3, 9)]


def test_the_next_transaction_on_its_connection_can_be_rolled_back(database: Database, rows: Rows) -> None:
    database.run(PAUSE, {"kind": "charge"})
    with suppress(ZeroDivisionError), database.begin() as connection:
        connection.execute(text("DELETE FROM pause"))
        raise ZeroDivisionError
    assert rows("SELECT kind FROM pause") == [{"kind": "charge"}]


def test_its_own_fault_is_no_outage_and_what_follows_has_another_connection(
    database: Database, rows: Rows
) -> None:
    database.run(PAUSE, {"kind": "charge"})
    backend = _backend(database)
    with pytest.raises(psycopg2.IntegrityError):
        database.run(PAUSE, {"kind": "charge"})
    assert _backend(database) != backend
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
        _lose_all_connections(database, rows)
        assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}


def test_after_a_lost_connection_no_idle_one_is_used(database_url: str, rows: Rows) -> None:
    with closing(Database(database_url, connections=2)) as database:
        with database.begin(), database.begin():
            pass
        with _in_progress(database, rows) as other:
            one = _backend(database)
        assert one != other.result()
        _lose_all_connections(database, rows)
        assert database.run(PAUSE, {"kind": "charge"}) == {"kind": "charge"}


def test_after_a_lost_connection_one_that_was_in_use_is_not_used_again(database_url: str, rows: Rows) -> None:
    with closing(Database(database_url, connections=2)) as database:
        with _in_progress(database, rows) as other:
            _outage(database, "SELECT pg_terminate_backend(pg_backend_pid())")
            _backend(database)
            _backend(database)  # the clock is read, and no idle connection given back for it below
        assert _backend(database) != other.result()


def test_statements_and_transactions_take_turns_on_one_connection(database: Database) -> None:
    backend = _backend(database)
    assert _backend(database) == backend
    with database.begin() as connection:
        assert connection.scalar(select(func.pg_backend_pid())) == backend
    assert _backend(database) == backend


def test_the_idle_connection_of_statements_counts_as_free(database: Database) -> None:
    _backend(database)
    with alone(database, POLL_LOCK), alone(database, PRUNE_LOCK):
        pass


def test_two_threads_use_two_connections(database: Database, rows: Rows) -> None:
    backend = _backend(database)
    with _in_progress(database, rows) as other:
        assert _backend(database) != backend
    assert other.result() == backend


def test_whoever_waits_for_a_connection_gets_the_first_that_is_free(database: Database) -> None:
    with database.begin():
        _backend(database)
        with closing(database.engine.raw_connection()):
            pass


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


def _lose_all_connections(database: Database, rows: Rows) -> None:
    """Have PostgreSQL end them, and the database notice it on one."""
    rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert _outage(database, "SELECT 1") in {Outage.SHUTTING_DOWN, Outage.CONNECTION_LOST}
