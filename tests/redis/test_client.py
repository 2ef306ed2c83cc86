"""What `REDIS_URL` names is reached, a server or the master that sentinels watch, and one that is away is told soon."""

import ssl
from contextlib import closing

import pytest
import redis
from kombu.connection import Connection

from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.redis.client import redis_client
from payment_worker.settings import Settings, SettingsError

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def test_the_master_that_sentinels_watch_is_found(sentinel: str, own_valkey: Valkey) -> None:
    gone = f"{LOOPBACK}:{free_port()}"
    url = f"sentinel://{gone}/3;sentinel://{sentinel}?master_name=payments"
    with (
        closing(redis_client(url, timeout_seconds=5)) as found,
        closing(redis.Redis.from_url(own_valkey.url(3))) as directly,
    ):
        wait_until(lambda: found.set("who", "it is"))
        assert directly.get("who") == b"it is"


def test_an_answer_of_the_masters_that_came_too_late_is_not_the_next_commands(
    sentinel: str, own_valkey: Valkey
) -> None:
    with closing(redis_client(f"sentinel://{sentinel}?master_name=payments", timeout_seconds=0.2)) as client:
        wait_until(lambda: client.mset({"one": 1, "two": 2}))
        own_valkey.pause()
        try:
            with pytest.raises(redis.TimeoutError):
                client.get("one")
        finally:
            own_valkey.resume()
        assert client.get("two") == b"2"


@pytest.mark.parametrize("scheme", ["redis", "sentinel"])
def test_a_missing_server_is_reported_as_an_error_of_redis(scheme: str) -> None:
    url = f"{scheme}://{LOOPBACK}:{free_port()}"
    with closing(redis_client(url, timeout_seconds=1)) as client, pytest.raises(redis.RedisError):
        client.ping()


def test_a_connection_that_went_stale_is_made_anew(own_valkey: Valkey) -> None:
    with closing(redis_client(own_valkey.url(), timeout_seconds=5)) as client:
        client.set("who", "it is")
        own_valkey.restart()
        assert client.get("who") == b"it is"


@pytest.mark.parametrize("required", ["ssl_cert_reqs=CERT_REQUIRED&", "ssl_cert_reqs=required&", ""])
def test_a_certificate_is_asked_for_by_everybody_in_either_spelling_and_where_a_ca_is_named(
    required: str,
) -> None:
    url = f"rediss://:secret@{LOOPBACK}:{free_port()}/3?{required}ssl_ca_certs={CERTIFICATES}"
    settings = Settings.from_environment({"REDIS_URL": url})
    assert settings.redis_url
    told = settings.redis_url.get_secret_value()

    celery = Connection(told)  # type: ignore[no-untyped-call] # kombu has no types
    with closing(redis_client(told, timeout_seconds=1)) as client:
        ours = client.connection_pool.make_connection()
        assert (ours.cert_reqs, ours.check_hostname, ours.ca_certs) == (ssl.CERT_REQUIRED, True, CERTIFICATES)
        assert (ours.password, ours.db) == ("secret", 3)
        assert celery.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": CERTIFICATES}


def test_a_certificate_is_asked_for_where_a_platform_gives_a_bare_address() -> None:
    settings = Settings.from_environment({"REDIS_URL": f"rediss://:secret@{LOOPBACK}:{free_port()}"})
    assert settings.redis_url
    told = settings.redis_url.get_secret_value()
    with closing(redis_client(told, timeout_seconds=1)) as client:
        ours = client.connection_pool.make_connection()
        assert (ours.cert_reqs, ours.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert Connection(told).ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}  # type: ignore[no-untyped-call] # as above


@pytest.mark.parametrize(
    "query",
    [
        "?ssl_cert_reqs=",
        "?ssl_cert_reqs=CERT_NONE",
        "?ssl_cert_reqs=optional",
        "?ssl_ca_certs=/a&ssl_cert_reqs=none",
    ],
)
def test_an_address_that_takes_any_certificate_is_refused(query: str) -> None:
    with pytest.raises(SettingsError, match="any certificate is accepted"):
        Settings.from_environment({"REDIS_URL": f"rediss://{LOOPBACK}/0{query}"})


def test_a_name_and_a_password_are_read_from_an_address_of_sentinels() -> None:
    url = f"sentinel://us%40er:pass%2Fword@{LOOPBACK}:{free_port()}/3"
    with closing(redis_client(url, timeout_seconds=1)) as client:
        options = client.connection_pool.connection_kwargs
        assert (options["username"], options["password"], options["db"]) == ("us@er", "pass/word", 3)
