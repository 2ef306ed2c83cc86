"""A PostgreSQL that falls silent holds nobody for long, and is used again as soon as it answers."""

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from threading import Thread

import pytest
from sqlalchemy import text

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.store.connection.advisory_lock import POLL_LOCK, alone
from payment_worker.store.connection.database import Database, DatabaseUnavailableError
from tests.harness.fault_proxy import FaultProxy

ANSWER_SECONDS = 0.5
GENEROUS_SECONDS = 30
WRITE = text("CREATE TABLE IF NOT EXISTS written (at timestamptz)")


@pytest.fixture
def proxy(database_url: str, fault_proxy: Callable[[str], FaultProxy]) -> FaultProxy:
    return fault_proxy(database_url)


@pytest.fixture
def database(proxy: FaultProxy) -> Iterator[Database]:
    """A database whose one connection has been used before."""
    with closing(Database(proxy.url, connections=1, answer_seconds=ANSWER_SECONDS)) as reached:
        _asked(reached)
        yield reached


def _asked(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("SELECT 1"))


def _written(database: Database, before_the_end: Callable[[], None]) -> None:
    with database.begin() as connection:
        connection.execute(WRITE)
        before_the_end()


def _taken_back(database: Database, before_the_end: Callable[[], None]) -> None:
    with database.begin() as connection:
        connection.execute(WRITE)
        before_the_end()
        raise ZeroDivisionError


def _is_given_up(work: Callable[[], object]) -> None:
    # In a thread that nobody has to join: nothing else could end a wait that has no limit.
    came_to: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whichever it is, the test looks at it
            came_to.set_exception(error)
        else:
            came_to.set_result(None)

    Thread(target=run, daemon=True).start()
    with pytest.raises(DatabaseUnavailableError):
        came_to.result(GENEROUS_SECONDS)


def test_a_statement_that_is_not_answered(database: Database, proxy: FaultProxy) -> None:
    proxy.blackhole()
    _is_given_up(lambda: _asked(database))
    proxy.forward()
    _asked(database)


def test_a_statement_that_is_a_transaction_of_its_own_and_is_not_answered(
    database: Database, proxy: FaultProxy
) -> None:
    assert database.run("SELECT 1 AS one", {}) == {"one": 1}
    proxy.blackhole()
    _is_given_up(lambda: database.run("SELECT 1", {}))
    proxy.forward()
    assert database.run("SELECT 1 AS one", {}) == {"one": 1}


def test_a_commit_that_is_not_answered(database: Database, proxy: FaultProxy) -> None:
    _is_given_up(lambda: _written(database, proxy.blackhole))
    proxy.forward()
    _asked(database)


def test_a_rollback_that_is_not_answered(database: Database, proxy: FaultProxy) -> None:
    _is_given_up(lambda: _taken_back(database, proxy.blackhole))
    proxy.forward()
    _asked(database)


def test_a_lock_that_is_asked_for(database: Database, proxy: FaultProxy) -> None:
    def ask() -> None:
        with alone(database, POLL_LOCK):
            raise AssertionError("nobody answered")

    proxy.blackhole()
    _is_given_up(ask)
    proxy.forward()
    with alone(database, POLL_LOCK) as is_ours:
        assert is_ours


def test_a_server_that_has_frozen(own_postgresql: PostgreSQL) -> None:
    with closing(
        Database(own_postgresql.url("payments"), connections=1, answer_seconds=ANSWER_SECONDS)
    ) as database:
        _asked(database)
        own_postgresql.pause()
        _is_given_up(lambda: _asked(database))
        own_postgresql.resume()
        _asked(database)


def test_a_transaction_may_take_longer_as_long_as_each_statement_is_answered(database: Database) -> None:
    with database.begin() as idle, database.begin() as connection:
        idle.execute(text("SELECT 1"))
        for _ in range(4):
            connection.execute(text("SELECT pg_sleep(0.3)"))
        idle.execute(text("SELECT 1"))


def test_bytes_that_nobody_takes_end_the_connection(database: Database) -> None:
    with database.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        with socket.socket(fileno=os.dup(raw.fileno())) as line:
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == ANSWER_SECONDS * 1000
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
