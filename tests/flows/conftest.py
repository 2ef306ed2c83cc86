"""A flow's world without Celery: the test's own database, the simulator over HTTP, and a clock that can be moved."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from payment_worker import bootstrap
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.flows.context import Context
from payment_worker.flows.pauses import Pauses
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.redis.client import redis_client
from payment_worker.settings import Settings
from payment_worker.store.connection.database import Database
from tests.flows.scene import Clock, Scene
from tests.flows.shared_database import SharedDatabase


@pytest.fixture(scope="session")
def shared_database(postgresql: PostgreSQL, migrated_template: str) -> Iterator[SharedDatabase]:
    """The database of all tests of flows: no other process works in it."""
    with closing(SharedDatabase(postgresql, name="flows", template=migrated_template)) as shared:
        yield shared


@pytest.fixture
def database_url(shared_database: SharedDatabase) -> str:
    """An empty Payment Database."""
    shared_database.empty()
    return shared_database.url


@pytest.fixture
def database(shared_database: SharedDatabase, database_url: str) -> Database:
    """Connections to it, which other tests had before."""
    assert shared_database.url == database_url
    return shared_database.database


@pytest.fixture
def clock() -> Clock:
    """The world's clock: real time, and what the test adds to it."""
    return Clock()


@pytest.fixture
def context(environment: dict[str, str], database: Database, clock: Clock) -> Context:
    """What flows work with. Nobody else works in it, so nothing happens that the test does not do."""
    settings = Settings.from_environment(environment)
    rate_limiter = RateLimiter(
        redis_client(environment["REDIS_URL"], timeout_seconds=1), bootstrap.limits(settings)
    )
    return Context(
        database=database,
        stripe=Gateway(
            api_keys={"": ApiKey(environment["STRIPE_API_KEY"])},
            api_base=environment["STRIPE_API_BASE"],
            timeout_seconds=10,
            rate_limiter=rate_limiter,
        ),
        clock=clock,
        jitter=lambda: 0.5,
        policy=replace(
            bootstrap.policy(settings),
            lease=timedelta(seconds=60),
            key_safe_age=timedelta(hours=23),
            absence_delay=timedelta(seconds=120),
            max_attempts=3,
            livemode=False,
        ),
        pauses=Pauses(database),
        actor="test",
        notify_relay=lambda: None,
    )


@pytest.fixture
def scene(context: Context, simulator: Simulator, clock: Clock) -> Scene:
    """The ordinary things that a test makes happen in its world."""
    return Scene(context, simulator, clock)
