"""Scenes of acceptance tests: one a module where its tests cannot disturb each other, else one a test."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import redis

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from tests.acceptance.plans import LargeDatabase
from tests.acceptance.scene import Scene
from tests.harness.length import LONG


def pytest_configure(config: pytest.Config) -> None:
    """Our own mark."""
    config.addinivalue_line("markers", "only(*types): the types of Stripe's events that are heard of")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the first of a long run the time to make the large database."""
    for item in items if LONG else ():
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(1800))


# Far from those that the other tests count up to.
_databases = itertools.count(4000)


@pytest.fixture(scope="session")
def large_database(postgresql: PostgreSQL, migrated_template: str) -> LargeDatabase:
    """A database in which no statement may read more than in those of these tests."""
    return LargeDatabase(postgresql, name="large", template=migrated_template)


@pytest.fixture
def database_url(database_url: str, postgresql: PostgreSQL, large_database: LargeDatabase) -> Iterator[str]:
    """The same, and all that is executed in it is checked."""
    with large_database.compared(postgresql, database_url.rpartition("/")[2]):
        yield database_url


@pytest.fixture
def own_postgresql(own_postgresql: PostgreSQL, large_database: LargeDatabase) -> Iterator[PostgreSQL]:
    """The same, and all that is executed in it is checked."""
    with large_database.compared(own_postgresql, "payments"):
        yield own_postgresql


@pytest.fixture(scope="session")
def compared_database(
    postgresql: PostgreSQL, migrated_template: str, large_database: LargeDatabase
) -> Callable[[str], AbstractContextManager[str]]:
    """Makes a database of this name for a while; all that is executed in it is checked."""

    @contextmanager
    def made(name: str) -> Iterator[str]:
        url = postgresql.create_database(name, template=migrated_template)
        try:
            with large_database.compared(postgresql, name):
                yield url
        finally:
            postgresql.drop_database(name)

    return made


@pytest.fixture(scope="module")
def new_scene(
    compared_database: Callable[[str], AbstractContextManager[str]],
    valkey: Valkey,
    stripe_simulator_server: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Scene]]:
    """Makes a scene with settings of its own, `new_scene(PAYMENT_WORKER_LEASE="5")`; nothing runs in it yet."""
    scenes: list[Scene] = []
    number = next(_databases)
    database = ExitStack()

    def make(**settings: str) -> Scene:
        for scene in scenes:
            scene.kill_processes()
        database.close()
        redis_url = valkey.url(number)
        with closing(redis.Redis.from_url(redis_url)) as client:
            client.flushdb()
        stripe_simulator_server.reset()
        scene = Scene(
            database_url=database.enter_context(compared_database(f"acceptance_{number}")),
            redis_url=redis_url,
            simulator=stripe_simulator_server,
            directory=tmp_path_factory.mktemp("scene"),
            settings=settings,
        )
        scenes.append(scene)
        return scene

    yield make
    for scene in scenes:
        scene.close()
    database.close()


@pytest.fixture(scope="module")
def scene(new_scene: Callable[..., Scene]) -> Scene:
    """The module's scene: one worker of threads, and beat."""
    made = new_scene()
    return made.ready(made.worker(), made.beat())


@pytest.fixture
def own_scene(
    own_postgresql: PostgreSQL, own_valkey: Valkey, simulator: Simulator, tmp_path: Path
) -> Iterator[Scene]:
    """A scene whose servers may be hurt; nothing runs in it yet."""
    made = Scene(
        database_url=own_postgresql.url("payments"),
        redis_url=own_valkey.url(),
        simulator=simulator,
        directory=tmp_path,
    )
    with closing(made):
        yield made
