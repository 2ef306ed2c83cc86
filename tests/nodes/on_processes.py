"""pytest-celery's nodes as processes on this machine: no container engine is needed."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_celery import CeleryTestContainer

from payment_worker.devstack import programs
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import RunningSimulator, Simulator
from payment_worker.devstack.servers.valkey import Valkey
from tests.nodes.world import SETTINGS


class _ProcessNode(CeleryTestContainer):  # type: ignore[misc] # pytest-celery's bases have no types
    """What a node asks of its container, answered by a process. There is no engine to be asked for anything."""

    name = id = ""

    def __init__(self, name: str) -> None:  # super() would want a container
        self.name = self.id = name

    def reload(self) -> None:
        """A container's facts are fetched; a process's are at hand."""


class _Worker(_ProcessNode):
    def __init__(self, name: str, process: Process) -> None:
        super().__init__(name)
        self._process = process

    @property
    def status(self) -> str:
        return "running" if self._process.running else "exited"

    def ready(self) -> bool:
        self._process.wait_ready()
        return True

    def logs(self) -> str:
        return self._process.log.read_text(errors="replace")

    def kill(self, signal: str) -> None:
        if signal == "SIGKILL":
            self._process.kill()
        else:
            self._process.send(_number(signal))

    def restart(self, timeout: float) -> None:
        self._process.stop(seconds=timeout)
        self._process.start().wait_ready()


class _Broker(_ProcessNode):
    def __init__(self, server: Valkey) -> None:
        super().__init__("valkey")
        self._server = server

    @property
    def celeryconfig(self) -> dict[str, str]:
        return {"url": self._server.url(), "host_url": self._server.url()}

    @property
    def status(self) -> str:
        return "running" if self._server.process.running else "exited"

    def ready(self) -> bool:
        return self._server.answers()

    def logs(self) -> str:
        return self._server.log.read_text()

    def kill(self, signal: str) -> None:
        self._server.process.send(_number(signal))
        self._server.process.wait()

    def restart(self, timeout: float) -> None:
        self._server.process.stop(seconds=timeout)
        self._server.start()


def _number(name: str) -> signal.Signals:
    return signal.Signals[name]


@pytest.fixture
def bank(simulator: Simulator) -> RunningSimulator:
    """Stripe."""
    return simulator


@pytest.fixture
def payment_database(database_url: str) -> str:
    """The Payment Database's address as this test reaches it."""
    return database_url


@pytest.fixture
def default_redis_broker(own_valkey: Valkey) -> _Broker:
    """The broker that may be restarted."""
    return _Broker(own_valkey)


@pytest.fixture
def worker_settings(payment_database: str, bank: RunningSimulator, own_valkey: Valkey) -> dict[str, str]:
    """The settings of a worker as a worker reaches the servers."""
    return {
        **SETTINGS,
        "PAYMENT_WORKER_LOG_FORMAT": "json",
        "DATABASE_URL": payment_database,
        "REDIS_URL": own_valkey.url(),
        "STRIPE_API_BASE": bank.url,
    }


@pytest.fixture
def default_worker_container(worker_settings: dict[str, str], tmp_path: Path) -> Iterator[_Worker]:
    """The first worker."""
    yield from _started(worker_settings, tmp_path, "worker1")


@pytest.fixture
def second_worker_container(worker_settings: dict[str, str], tmp_path: Path) -> Iterator[_Worker]:
    """The second."""
    yield from _started(worker_settings, tmp_path, "worker2")


def _started(settings: dict[str, str], directory: Path, name: str) -> Iterator[_Worker]:
    with programs.worker(settings, directory=directory, name=name) as process:
        yield _Worker(name, process.start().wait_ready())
