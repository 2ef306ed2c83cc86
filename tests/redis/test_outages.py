"""Why Redis cannot serve is told by its error word; what is an outage is kept apart from what must be configured."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from payment_worker.broker.address import broker_address
from payment_worker.broker.transport import register
from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.redis.client import redis_client
from payment_worker.redis.outage import Kind, Trouble, trouble
from payment_worker.settings import Settings


@pytest.fixture
def admin(own_valkey: Valkey) -> Iterator[Any]:
    """A client that may configure the server."""
    with closing(redis.Redis.from_url(own_valkey.url())) as client:
        yield client


def _met(url: str) -> Trouble:
    """What a write comes to, the same for our client and for kombu's."""
    register()
    with closing(redis_client(url, timeout_seconds=2)) as client, pytest.raises(RedisError) as ours:
        client.lpush("charges", "a message")
    address, options = broker_address(url)
    with (
        Connection(address, transport_options={**options, "max_retries": 0}) as connection,  # type: ignore[no-untyped-call] # kombu has no types
        pytest.raises((OperationalError, RedisError)) as theirs,
    ):
        connection.default_channel.client.lpush("charges", "a message")
    assert trouble(theirs.value) == trouble(ours.value)
    return trouble(ours.value)


def test_a_full_redis_is_an_outage(own_valkey: Valkey, admin: Any) -> None:  # noqa: ANN401 - redis-py's types
    admin.config_set("maxmemory", "1")
    assert (_met(own_valkey.url()).word, _met(own_valkey.url()).kind) == ("OOM", Kind.OUTAGE)


def test_a_script_that_finds_redis_full_is_an_outage(own_valkey: Valkey, admin: Any) -> None:  # noqa: ANN401
    admin.config_set("maxmemory", "1")
    with (
        closing(redis_client(own_valkey.url(), timeout_seconds=2)) as client,
        pytest.raises(RedisError) as met,
    ):
        client.register_script("return redis.call('XADD', KEYS[1], '*', 'event', '{}')")(keys=["events"])
    assert trouble(met.value).word == "OOM"


def test_a_replica_is_an_outage_and_so_is_one_without_its_primary(own_valkey: Valkey, admin: Any) -> None:  # noqa: ANN401
    admin.replicaof(LOOPBACK, free_port())
    assert (_met(own_valkey.url()).word, _met(own_valkey.url()).kind) == ("READONLY", Kind.OUTAGE)

    admin.config_set("replica-serve-stale-data", "no")
    with (
        closing(redis_client(own_valkey.url(), timeout_seconds=2)) as client,
        pytest.raises(RedisError) as met,
    ):
        client.lrange("charges", 0, 1)
    assert (trouble(met.value).word, trouble(met.value).kind) == ("MASTERDOWN", Kind.OUTAGE)


def test_a_redis_that_cannot_write_its_disk_is_an_outage(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with (
        Valkey(append_only=False, settings={"dir": str(gone), "save": "3600 1"}) as server,
        closing(redis.Redis.from_url(server.url())) as admin,
    ):
        gone.rmdir()
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
        met = _met(server.url())
        server.kill()  # asked to end, it would first insist on saving
    assert (met.word, met.kind) == ("MISCONF", Kind.OUTAGE)


def test_too_few_replicas_are_an_outage(own_valkey: Valkey, admin: Any) -> None:  # noqa: ANN401
    admin.config_set("min-replicas-to-write", "1")
    assert (_met(own_valkey.url()).word, _met(own_valkey.url()).kind) == ("NOREPLICAS", Kind.OUTAGE)


def test_a_cluster_that_is_down_is_an_outage() -> None:
    with Valkey(
        append_only=False, databases=1, settings={"cluster-enabled": "yes", "cluster-port": str(free_port())}
    ) as server:
        met = _met(server.url())
    assert (met.word, met.kind) == ("CLUSTERDOWN", Kind.OUTAGE)


def test_passwords_and_permissions_are_configuration(own_valkey: Valkey, admin: Any) -> None:  # noqa: ANN401
    admin.execute_command(
        "ACL", "SETUSER", "app", "on", ">right", "~charges", "+ping", "+client", "+hello", "+info"
    )
    place = f"{LOOPBACK}:{own_valkey.port}/0"
    assert (_met(f"redis://app:right@{place}").word, _met(f"redis://app:right@{place}").kind) == (
        "NOPERM",
        Kind.CONFIGURATION,
    )
    assert (_met(f"redis://app:wrong@{place}").word, _met(f"redis://app:wrong@{place}").kind) == (
        "WRONGPASS",
        Kind.CONFIGURATION,
    )
    admin.config_set("requirepass", "secret")
    assert _met(f"redis://{place}").kind == Kind.CONFIGURATION


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "LOADING"),
        (redis.ResponseError("UNBLOCKED force unblock from blocking operation"), "UNBLOCKED"),
        (redis.ResponseError("TRYAGAIN Multiple keys request during rehashing of slot"), "TRYAGAIN"),
    ],
)
def test_what_is_hard_to_bring_about_is_known_by_its_word(error: RedisError, word: str) -> None:
    assert (trouble(error).word, trouble(error).kind) == (word, Kind.OUTAGE)


def test_a_refused_connection_is_distinguished_from_an_unknown_name() -> None:
    assert _met(f"redis://{LOOPBACK}:{free_port()}").meaning == "nothing listens"
    assert _met("redis://no-such-host.invalid").meaning == "host name unknown"
    assert _met("unix:///no/such/socket?db=0").meaning == "nothing listens"


def test_a_unix_socket_is_reached_by_us_and_by_kombu(tmp_path: Path) -> None:
    register()
    socket = tmp_path / "valkey.sock"
    with Valkey(append_only=False, settings={"unixsocket": str(socket)}) as server:
        read = Settings.from_environment({"REDIS_URL": f"redis+socket://{socket}?virtual_host=3"}).redis_url
        assert read
        url = read.get_secret_value()
        with closing(redis_client(url, timeout_seconds=2)) as client:
            client.set("who", "it is")
        address, options = broker_address(url)
        with Connection(address, transport_options=options) as connection:  # type: ignore[no-untyped-call] # kombu has no types
            assert connection.default_channel.client.get("who") == b"it is"
        with closing(redis.Redis.from_url(server.url(3))) as directly:
            assert directly.get("who") == b"it is"
