"""The world of tests: real servers once a session; a database, a Redis and a Stripe of its own each test."""

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import beat as beat_program
from payment_worker.devstack.programs import worker as worker_program
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from tests.harness.fault_proxy import FaultProxy
from tests.harness.fork_server import forked
from tests.harness.length import LONG
from tests.harness.producer import Producer
from tests.harness.rows import Rows
from tests.harness.window import Window

if TYPE_CHECKING:
    from payment_worker.store.connection.database import Database

pytest_plugins = ["payment_worker.testing.plugin"]
_STRIPE_KEYS = {"STRIPE_API_KEY": "sk_test_simulator", "STRIPE_WEBHOOK_SECRET": "whsec_simulator"}
_TEMPLATE = "migrated"
_REDIS_DATABASES = 4096
# It names the database and the application of each line.
_LOG = {"log_line_prefix": "%m [%p] %d %a "}
_numbers = itertools.count(1)

# How fast this machine is just now says nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cases that are marked as long to `make test-long`."""
    if LONG:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The session's PostgreSQL server. A test that hurts its server takes `own_postgresql`."""
    # Nothing is vacuumed or analyzed but by a test, so that the order of rows and their plans are not left to chance.
    with PostgreSQL(durable=False, settings={"autovacuum": "off", **_LOG}) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """The session's Valkey server. A test that hurts its server takes `own_valkey`."""
    with Valkey(append_only=False, databases=_REDIS_DATABASES) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_server() -> Iterator[Path]:
    """The directory of a stopped PostgreSQL server with a migrated database `payments`, to be copied."""
    with PostgreSQL(durable=False) as server:
        _migrate(server.create_database("payments"))
        server.stop(keep=True)
        yield server.directory


@pytest.fixture
def copied_server(migrated_server: Path) -> Callable[[], PostgreSQL]:
    """Makes servers that are not yet started, each with a migrated database `payments`."""

    def copied() -> PostgreSQL:
        server = PostgreSQL(durable=False, settings=_LOG)
        # It keeps owners and modes, and spares initdb and the migrations.
        subprocess.run(["cp", "-a", f"{migrated_server}/.", server.directory], check=True)
        return server

    return copied


@pytest.fixture
def own_postgresql(copied_server: Callable[[], PostgreSQL]) -> Iterator[PostgreSQL]:
    """A PostgreSQL server that this test may stop, kill and pause, with a migrated database `payments`."""
    with copied_server() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A Valkey server that this test may stop, kill, pause and empty. It remembers over restarts."""
    with Valkey() as server:
        yield server


def _migrate(database_url: str) -> None:
    # Not at the top: tests of the servers alone must run without the worker's code.
    from payment_worker.store.connection.migrate import upgrade  # noqa: PLC0415

    upgrade(database_url)


@pytest.fixture(scope="session")
def migrated_template(postgresql: PostgreSQL) -> str:
    """The name of a database that is migrated once and then only copied."""
    _migrate(postgresql.create_database(_TEMPLATE))
    postgresql.execute(f"ALTER DATABASE {_TEMPLATE} ALLOW_CONNECTIONS false")
    return _TEMPLATE


@pytest.fixture
def database_url(postgresql: PostgreSQL, migrated_template: str) -> Iterator[str]:
    """A migrated Payment Database of this test's own."""
    name = f"test_{next(_numbers)}"
    yield postgresql.create_database(name, template=migrated_template)
    postgresql.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator["Database"]:
    """Connections to this test's database."""
    # Not at the top: tests of the servers alone must run without the worker's code.
    from payment_worker.store.connection.database import Database  # noqa: PLC0415

    with closing(Database(database_url)) as connections:
        yield connections


@pytest.fixture
def empty_database_url(postgresql: PostgreSQL) -> Iterator[str]:
    """A database of this test's own with nothing in it."""
    name = f"empty_{next(_numbers)}"
    yield postgresql.create_database(name)
    postgresql.drop_database(name)


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    """Queries of this test's database: `rows("SELECT … WHERE payment_id = %s", payment_id)`."""
    with closing(Rows(database_url)) as reader:
        yield reader


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """An empty Redis database of this test's own."""
    url = valkey.url(next(_numbers) % _REDIS_DATABASES)
    with closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
    return url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["redis.Redis"]:
    """A client of this test's Redis that answers in text."""
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        yield client


@pytest.fixture
def simulator(stripe_simulator: Simulator) -> Simulator:
    """A Stripe where nothing has happened yet, as other apps' tests have it."""
    return stripe_simulator


@pytest.fixture
def stripe_webhooks(simulator: Simulator, redis_url: str) -> Iterator[str]:
    """Stripe's webhooks reach the worker, through an app that hands them on. The endpoint's id."""
    with closing(Producer(redis_url)) as app, Window(app.hand_on) as window:
        endpoint_id = simulator.send_webhooks(window.url, _STRIPE_KEYS["STRIPE_WEBHOOK_SECRET"])
        yield endpoint_id
        simulator.delete(f"webhooks/endpoints/{endpoint_id}")


@pytest.fixture
def environment(database_url: str, redis_url: str, simulator: Simulator) -> dict[str, str]:
    """The settings of a worker in this test's world. A test may change them before it starts one."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STRIPE_API_BASE": simulator.url,
        **_STRIPE_KEYS,
    }


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts real workers: `worker(pool=…, concurrency=…, queues=…, settings={…})`, each ready when returned.

    All of them are killed when the test ends. Their logs are in `tmp_path`.
    """
    with ExitStack() as started:

        def start(*, settings: dict[str, str] | None = None, **flags: Any) -> Process:  # noqa: ANN401
            flags.setdefault("name", f"worker{next(_numbers)}")
            # Asking for neighbours takes a second of every start.
            flags["arguments"] = ("--without-mingle", *flags.get("arguments", ()))
            process = worker_program({**environment, **(settings or {})}, directory=tmp_path, **flags)
            return started.enter_context(forked(process).start()).wait_ready()

        yield start


@pytest.fixture
def beat(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts beat: `beat(settings={…})`."""
    with ExitStack() as started:

        def start(*, settings: dict[str, str] | None = None) -> Process:
            name = f"beat{next(_numbers)}"
            process = beat_program({**environment, **(settings or {})}, directory=tmp_path, name=name)
            return started.enter_context(forked(process).start()).wait_ready()

        yield start


@pytest.fixture
def producer(redis_url: str) -> Iterator[Producer]:
    """Another app, which sends tasks by name."""
    with closing(Producer(redis_url)) as app:
        yield app


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Puts a misbehaving proxy before a server: `fault_proxy(url)`; its own `url` leads through it."""
    with ExitStack() as started:
        yield lambda url: started.enter_context(FaultProxy(url))
