"""Scenes for tests of the broker: at the session's Valkey, or at one of the test's own that it may hurt."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu.connection import Connection
from kombu.simple import SimpleQueue

from payment_worker.broker.transport import Transport
from payment_worker.devstack.servers.valkey import Valkey
from tests.broker.scene import Scene


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[Scene]:
    """A scene at a Valkey that stays."""
    broker_url = f"{redis_url.rpartition('/')[0]}/{2048 + int(redis_url.rpartition('/')[2])}"
    with Scene(broker_url=broker_url, journal_url=redis_url, directory=tmp_path) as scene:
        scene.broker.flushdb()
        yield scene


@pytest.fixture
def own_scene(own_valkey: Valkey, redis_url: str, tmp_path: Path) -> Iterator[Scene]:
    """A scene whose broker is `own_valkey`, which the test may stop and kill."""
    with Scene(broker_url=own_valkey.url(), journal_url=redis_url, directory=tmp_path) as scene:
        yield scene


@pytest.fixture
def queue(own_valkey: Valkey) -> Iterator[SimpleQueue]:
    """A queue with two messages, whose channel acknowledges later."""
    with (
        Connection(own_valkey.url(), transport=Transport) as connection,  # type: ignore[no-untyped-call]
        connection.SimpleQueue("q") as made,
    ):
        made.put(1)
        made.put(2)
        made.channel.qos.acknowledges_later = True
        yield made


@pytest.fixture
def broker(own_valkey: Valkey) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(own_valkey.url(), decode_responses=True) as client:
        yield client
