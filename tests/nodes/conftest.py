"""pytest-celery's setup with our worker: on processes, or, where `make test-docker` says so, on containers."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from celery import Celery
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
    RedisTestBroker,
)

from payment_worker.devstack.servers.simulator import RunningSimulator
from tests.harness.rows import Rows
from tests.nodes.world import World

if os.environ.get("TEST_NODES") == "containers":
    from tests.nodes.on_containers import *  # noqa: F403 fixtures
else:
    from tests.nodes.on_processes import *  # noqa: F403 likewise


@pytest.fixture
def celery_broker_cluster(celery_redis_broker: RedisTestBroker) -> CeleryBrokerCluster:
    """Redis alone: with nothing said, pytest-celery tries every broker that it knows."""
    return CeleryBrokerCluster(celery_redis_broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """No results are kept: callers read the tables or the stream."""


@pytest.fixture
def second_worker(
    second_worker_container: object, default_worker_cls: type[CeleryTestWorker], default_worker_app: Celery
) -> CeleryTestWorker:
    """A worker beside the first."""
    return default_worker_cls(container=second_worker_container, app=default_worker_app)


@pytest.fixture
def two_workers(
    celery_worker_cluster: CeleryWorkerCluster, second_worker: CeleryTestWorker
) -> CeleryWorkerCluster:
    """The setup's worker and another."""
    return CeleryWorkerCluster(*celery_worker_cluster.nodes, second_worker)


@pytest.fixture
def world(celery_setup: CeleryTestSetup, payment_database: str, bank: RunningSimulator) -> Iterator[World]:
    """The setup, as an app, an auditor and Stripe see it."""
    url = celery_setup.broker.config()["host_url"]
    with (
        closing(Rows(payment_database)) as rows,
        closing(redis.Redis.from_url(url, decode_responses=True)) as stream,
    ):
        yield World(app=celery_setup.app, rows=rows, simulator=bank, stream=stream)
    celery_setup.app.pool.force_close_all()
    celery_setup.app.close()
