"""`DATABASE_URL` is taken as libpq takes it, and after a fail-over the pool finds the new primary by itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import text

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.waiting import wait_until
from payment_worker.settings import Settings
from payment_worker.store.connection import migrate
from payment_worker.store.connection.database import Database, DatabaseUnavailableError
from payment_worker.store.connection.migrate import UnfitDatabaseError
from tests.harness.rows import Rows

WHO = "SELECT setting FROM pg_settings WHERE name = 'port'"
WRITE = "INSERT INTO pause (kind, paused_by, paused_at) VALUES ('all', 'ada', now())"


@pytest.fixture
def pair(copied_server: Callable[[], PostgreSQL]) -> Iterator[tuple[PostgreSQL, PostgreSQL]]:
    """Two servers with the same role, as a primary and its standby have it."""
    with ExitStack() as started:
        servers = [started.enter_context(copied_server()) for _ in range(2)]
        for server in servers:
            server.execute("CREATE ROLE app SUPERUSER LOGIN PASSWORD 'app'")
            server.drop_database("payments")
            server.create_database("payments")
        first, second = servers
        yield first, second


def _address(*servers: PostgreSQL, query: str = "") -> str:
    address = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    url = Settings.from_environment(
        {"DATABASE_URL": f"postgresql://app:app@{address}/payments{query}"}, needed_by=("database",)
    ).database_url
    assert url
    return url.get_secret_value()


def _written_to(database: Database) -> int:
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS written (at timestamptz)"))
        return int(connection.scalar(text(WHO)) or 0)


@pytest.mark.parametrize("query", ["", "?target_session_attrs=read-write"])
def test_after_a_fail_over_the_pool_finds_the_new_primary(
    pair: tuple[PostgreSQL, PostgreSQL], query: str
) -> None:
    first, second = pair
    with closing(Database(_address(first, second, query=query))) as database:
        assert _written_to(database) == first.port

        first.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        first.execute("SELECT pg_reload_conf()")
        # The session in the pool learns of it when it likes, and is refused once.
        wait_until(lambda: _port_or_none(database) == second.port)

        first.kill()
        assert _written_to(database) == second.port


def test_a_first_server_that_died_is_passed_over(pair: tuple[PostgreSQL, PostgreSQL]) -> None:
    first, second = pair
    with closing(Database(_address(first, second))) as database:
        assert _written_to(database) == first.port
        first.kill()
        wait_until(lambda: _port_or_none(database) == second.port)


def _port_or_none(database: Database) -> int | None:
    try:
        return _written_to(database)
    except DatabaseUnavailableError:
        return None


def test_migrations_go_to_the_server_that_can_be_written(pair: tuple[PostgreSQL, PostgreSQL]) -> None:
    first, second = pair
    first.set_read_only("payments", read_only=True)

    migrate.upgrade(_address(first, second))

    assert migrate.revision(_address(second)) == migrate.newest()
    assert migrate.revision(_address(first)) is None


def test_a_unix_socket_is_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with PostgreSQL(durable=False, settings={"unix_socket_directories": str(tmp_path)}) as server:
        server.execute("CREATE ROLE app SUPERUSER LOGIN PASSWORD 'app'")
        url = f"postgresql://app:app@/postgres?host={tmp_path}&port={server.port}"
        with closing(Database(url)) as database:
            assert _written_to(database) == server.port


def test_options_and_sslmode_of_the_address_count_beside_ours(database_url: str) -> None:
    url = f"{database_url}?sslmode=disable&options=-c%20work_mem%3D1234kB"
    with closing(Database(url)) as database, database.begin() as connection:
        shown = [connection.scalar(text(f"SHOW {name}")) for name in ("work_mem", "lock_timeout")]
    assert shown == ["1234kB", "10s"]


def test_an_existing_schema_is_used_for_all_tables(empty_database_url: str) -> None:
    url = f"{empty_database_url}?options=-c%20search_path%3Dpay"
    with closing(Database(empty_database_url)) as database, database.begin() as connection:
        connection.execute(text("CREATE SCHEMA pay"))

    migrate.upgrade(url)

    with closing(Rows(empty_database_url)) as rows:
        schemas = rows("SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname IN ('pay', 'public')")
    assert schemas == [{"schemaname": "pay"}]
    with closing(Database(url)) as database, database.begin() as connection:
        assert not migrate.is_behind(connection)
        connection.execute(text(WRITE))


@pytest.mark.parametrize("path", ["pay", "pay,public"])
def test_a_schema_that_does_not_exist_is_refused_with_the_command_that_makes_it(
    empty_database_url: str, path: str
) -> None:
    with pytest.raises(UnfitDatabaseError, match=r"schema pay does not exist(?s:.*)CREATE SCHEMA \"pay\""):
        migrate.upgrade(f"{empty_database_url}?options=-c%20search_path%3D{path}")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_is_refused_with_the_command_that_makes_a_right_one(
    postgresql: PostgreSQL, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    postgresql.drop_database(name)
    postgresql.execute(
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    )
    with pytest.raises(UnfitDatabaseError, match=f"encoding {encoding}(?s:.*)createdb --encoding=UTF8"):
        migrate.upgrade(postgresql.url(name))
    postgresql.drop_database(name)
