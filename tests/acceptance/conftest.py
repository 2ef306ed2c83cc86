"""Scenes of acceptance tests: one a module where its tests cannot disturb each other, else one a test."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from tests.acceptance.scene import Scene


def pytest_configure(config: pytest.Config) -> None:
    """Our own mark."""
    config.addinivalue_line("markers", "only(*types): the types of Stripe's events that are heard of")


# Far from those that the other tests count up to.
_databases = itertools.count(4000)


@pytest.fixture(scope="module")
def new_scene(
    postgresql: PostgreSQL,
    migrated_template: str,
    valkey: Valkey,
    stripe_simulator_server: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Scene]]:
    """Makes a scene with settings of its own, `new_scene(PAYMENT_WORKER_LEASE="5")`; nothing runs in it yet."""
    scenes: list[Scene] = []
    number = next(_databases)
    name = f"acceptance_{number}"

    def make(**settings: str) -> Scene:
        for scene in scenes:
            scene.kill_processes()
        redis_url = valkey.url(number)
        with closing(redis.Redis.from_url(redis_url)) as client:
            client.flushdb()
        stripe_simulator_server.reset()
        postgresql.drop_database(name)
        scene = Scene(
            database_url=postgresql.create_database(name, template=migrated_template),
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
    postgresql.drop_database(name)


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
