"""Real servers start for any user, root too, and keep their data and port over every mishap."""

import os
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from payment_worker.devstack.processes import Identity
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from tests.harness.rows import Rows


@pytest.fixture
def fresh_postgresql(tmp_path: Path) -> PostgreSQL:
    return PostgreSQL(data=tmp_path, durable=False)


def test_postgresql_keeps_its_data_over_a_kill_and_a_restart(fresh_postgresql: PostgreSQL) -> None:
    with fresh_postgresql as server:
        server.execute("CREATE TABLE fact AS SELECT 42 AS answer")
        url = server.url()
        server.kill()
        assert not server.answers()
        server.start()
        server.restart()
        assert server.url() == url
        with closing(Rows(url)) as rows:
            assert rows("SELECT answer FROM fact") == [{"answer": 42}]


def test_a_paused_postgresql_answers_nobody_until_it_goes_on(fresh_postgresql: PostgreSQL) -> None:
    with fresh_postgresql as server:
        server.pause()
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(server.url(), connect_timeout=1)
        server.resume()
        assert server.answers()


def test_a_copied_database_has_what_its_template_had(postgresql: PostgreSQL) -> None:
    template = postgresql.create_database("original")
    postgresql.execute("CREATE TABLE fact AS SELECT 7 AS answer", database="original")
    copy = postgresql.create_database("copy", template="original")
    assert template != copy
    with closing(Rows(copy)) as rows:
        assert rows.one("SELECT answer FROM fact") == {"answer": 7}


@pytest.mark.parametrize(
    ("append_only", "kept"), [(True, b"yes"), (False, None)], ids=["on disk", "in memory"]
)
def test_valkey_remembers_over_a_restart_if_it_writes_things_down(
    append_only: bool,  # noqa: FBT001 a parameter
    kept: bytes | None,
) -> None:
    with Valkey(append_only=append_only) as server, closing(redis.Redis.from_url(server.url())) as client:
        client.set("remembered", "yes")
        server.restart()
        assert client.get("remembered") == kept


def test_valkey_restarts_empty_on_request(own_valkey: Valkey) -> None:
    with closing(redis.Redis.from_url(own_valkey.url())) as client:
        client.set("remembered", "yes")
        own_valkey.restart(empty=True)
        assert client.get("remembered") is None


def test_a_stopped_server_leaves_no_directory_behind() -> None:
    with Valkey() as valkey, PostgreSQL(durable=False) as postgresql:
        assert valkey.directory.exists()
        assert postgresql.directory.exists()
    assert not valkey.directory.exists()
    assert not postgresql.directory.exists()


def test_a_taken_port_is_answered_with_another_one() -> None:
    with Valkey() as first, Valkey() as second:
        second.stop(keep=True)
        second.port = first.port
        second.start()
        assert second.port != first.port


@pytest.mark.parametrize("identity", ["namespace", "nobody"] if os.geteuid() == 0 else ["same"])
def test_postgresql_starts_under_every_identity_that_this_user_can_give_it(identity: Identity) -> None:
    with PostgreSQL(durable=False, identity=identity) as server:
        assert server.answers()
