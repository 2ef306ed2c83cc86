"""No value of a setting ends in a bug: it is used, or a fault names its variable without repeating a secret.

`make test-long` draws 2,000 values for each test; by default there are fewer.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from payment_worker import bootstrap
from payment_worker.broker.address import broker_address
from payment_worker.broker.transport import register
from payment_worker.cli.errors import explained
from payment_worker.redis.client import hosts, redis_client
from payment_worker.redis.outage import trouble
from payment_worker.settings import Settings, SettingsError
from payment_worker.store.connection.database import Database, DatabaseUnavailableError
from tests.harness.length import examples

DRAWS = examples(50, long=2000)
NAMES = tuple(str(field.alias) for field in Settings.model_fields.values())

# Whatever is tried is tried on this machine: a name that leads elsewhere would be looked up.
HOSTS = st.sampled_from(
    [
        "127.0.0.1",
        "127.0.0.1:1",
        "::1",
        "[::1]:1",
        "[::1",
        "127.0.0.1:99999",
        "127.0.0.1:x",
        "",
        ":1",
        "127.0.0.1:",
    ]
)
USERS = st.sampled_from(
    ["", "u@", "u:p@", ":p@", "u:p@ss@", "u:p/ss@", "u:p#ss@", "u:p?ss@", "u:p%ss@", "u:p ä@", "[@"]
)
PATHS = st.sampled_from(["", "/", "/0", "/abc", "/1/2", "/-1", "/99999999999", "/%00", "/a b", "/x.sock"])
QUERIES = st.sampled_from(
    [
        *(
            "",
            "?",
            "?pgbouncer=true",
            "?socket_timeout=3",
            "?sslmode=nonsense",
            "?sslmode=disable",
            "?host=/tmp",
            "?a",
        ),
        *(
            "?port=1,2",
            "?connect_timeout=x",
            "?options=-c%20search_path%3Dx",
            "?target_session_attrs=any",
            "?=",
            "?&",
        ),
        *(
            "?ssl_cert_reqs=CERT_REQUIRED",
            "?ssl_ca_certs=/x",
            "?master_name=x",
            "?db=1",
            "?db=x",
            "?virtual_host=2",
        ),
        *(
            "?hostaddr=127.0.0.1",
            "?host=",
            "?user=%zz",
            "?client_encoding=x",
            "?ssl=true",
            "?passfile=/x",
            "?service=x",
        ),
    ]
)
SCHEMES = st.sampled_from(
    [
        *(
            "postgresql://",
            "postgres://",
            "postgresql+psycopg2://",
            "redis://",
            "rediss://",
            "sentinel://",
            "valkey://",
        ),
        *(
            "unix://",
            "redis+socket://",
            "http://",
            "https://",
            "",
            "db+sqlite://",
            "foo://",
            "rpc://",
            "://",
            "redis:/",
        ),
    ]
)
ADDRESSES = st.builds(
    lambda scheme, user, names, path, query: f"{scheme}{user}{','.join(names)}{path}{query}",
    SCHEMES,
    USERS,
    st.lists(HOSTS, min_size=1, max_size=3),
    PATHS,
    QUERIES,
)
VALUES = st.one_of(
    ADDRESSES,
    st.builds(lambda one, other: f"{one};{other}", ADDRESSES, ADDRESSES),
    st.text(alphabet=st.characters(exclude_characters="\0"), max_size=40),
    st.sampled_from(
        ["0", "-1", "1e400", "nan", "inf", "1e-300", "true", "1_0", "٣", " 5 ", "5\n", "[]", "{}", "null"]
    ),
)


def _read(name: str, value: str) -> Settings | None:
    try:
        return Settings.from_environment({name: value}, needed_by=())
    except SettingsError as error:
        told = error
    message, status = explained(told)
    assert status == 2
    assert all(name in fault for fault in told.faults)
    secret = "URL" in name or "KEY" in name
    assert not (secret and len(value) > len("postgresql://") and value in message)
    return None


@settings(max_examples=DRAWS)
@given(name=st.sampled_from(NAMES), value=VALUES)
def test_every_value_is_taken_or_is_a_fault_that_names_its_variable(name: str, value: str) -> None:
    read = _read(name, value)
    if read is not None:
        bootstrap.policy(read)
        bootstrap.limits(read)
        assert timedelta(seconds=read.lease) >= timedelta()


@settings(max_examples=DRAWS)
@given(value=VALUES)
def test_every_database_address_that_is_taken_is_used_or_is_an_outage(value: str) -> None:
    read = _read("DATABASE_URL", value)
    if read is None or read.database_url is None:
        return
    with closing(Database(read.database_url.get_secret_value(), connections=1)) as database:
        with pytest.raises(DatabaseUnavailableError) as caught, database.begin():
            raise AssertionError("nothing listens there")
        message, status = explained(caught.value)
    assert status == 1
    assert message.startswith("PostgreSQL cannot serve now: ")


def _ping(client: Callable[[], Any]) -> None:
    try:
        client().ping()
    except (OperationalError, RedisError) as error:
        told = trouble(error).meaning
    else:
        told = "a server that happens to be there"
    assert told


@settings(max_examples=DRAWS)
@given(value=VALUES)
def test_every_redis_address_that_is_taken_is_used_or_is_an_outage(value: str) -> None:
    register()
    read = _read("REDIS_URL", value)
    if read is None or read.redis_url is None:
        return
    url = read.redis_url.get_secret_value()
    assert hosts(url)
    with closing(redis_client(url, timeout_seconds=0.1)) as client:
        _ping(lambda: client)
    address, options = broker_address(url)
    timeouts = {"socket_timeout": 0.1, "socket_connect_timeout": 0.1}
    with Connection(address, transport_options={**options, **timeouts}) as connection:  # type: ignore[no-untyped-call] # kombu has no types
        _ping(lambda: cast("Any", connection).default_channel.client)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "DATABASE_URL",
            "postgresql://u:p@h/db?pgbouncer=true",
            "knows no parameter pgbouncer: leave it out",
        ),
        ("DATABASE_URL", "postgresql://u:p@h:x/db", "a port is a number"),
        ("DATABASE_URL", "postgresql://u:p@h:70000/db", "a port is a number"),
        ("DATABASE_URL", "postgresql://u:p@::1/db", "needs brackets: [::1]"),
        ("DATABASE_URL", "postgresql://u:p@ss@h/db", "write @ as %40"),
        ("DATABASE_URL", "postgresql://u:p/ss@h/db", "write : as %3A and / as %2F"),
        ("DATABASE_URL", "postgresql+psycopg2://u@h/db", "without the name of a driver"),
        ("REDIS_URL", "redis://h/abc", "stands the database's number"),
        ("REDIS_URL", "redis://h/0?socket_timeout=3", "socket_timeout behind ? is not taken"),
        ("REDIS_URL", "redis://::1:6379/0", "IPv6"),
        ("REDIS_URL", "redis://:p#ss@h/0", "write # as %23"),
        ("REDIS_URL", "redis://:p/ss@h/0", "write / as %2F"),
        ("REDIS_URL", "redis://h:port/0", "a port is a number"),
        ("REDIS_URL", "unix://path", "with three slashes"),
        ("REDIS_URL", "amqp://h", "must begin with redis://"),
        ("STRIPE_API_BASE", "http://h:x", "a port is a number"),
        ("STRIPE_API_KEY", "sk_test_a b", "no blanks"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_with_what_to_write(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: value}, needed_by=())
    (fault,) = caught.value.faults
    assert fault.startswith(f"{name}: ")
    assert says in fault


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{} \r\n"])
def test_blanks_and_newlines_around_a_value_are_stripped(around: str) -> None:
    values = {"REDIS_URL": "redis://h/0", "STRIPE_API_KEY": "sk_test_1", "PAYMENT_WORKER_LEASE": "60"}
    given_values = {name: around.format(value) for name, value in values.items()}

    read = Settings.from_environment(given_values, needed_by=())

    assert (read.redis_url, read.stripe_api_key) != (None, None)
    assert read == Settings.from_environment(values, needed_by=())


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        ("valkey://:p@h:1/2", "redis://:p@h:1/2"),
        ("valkeys://h/0?ssl_cert_reqs=required", "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED"),
        ("redis+socket:///run/v.sock?virtual_host=3", "unix:///run/v.sock?db=3"),
        ("unix:///run/v.sock", "unix:///run/v.sock?db=0"),
    ],
)
def test_every_spelling_of_a_redis_address_is_read(given_url: str, normal: str) -> None:
    read = Settings.from_environment({"REDIS_URL": given_url}).redis_url
    assert read is not None
    assert read.get_secret_value() == normal
