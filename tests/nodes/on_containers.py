"""pytest-celery's nodes as containers, the workers of our own image. `make test-docker` builds it and runs this."""

import psycopg2
import pytest
from pytest_celery import CeleryTestContainer, CeleryWorkerContainer, RedisContainer
from pytest_docker_tools import container, fxtr

from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.servers.simulator import RunningSimulator
from payment_worker.store.connection.migrate import upgrade
from tests.nodes.world import SETTINGS

IMAGE = "payment-worker:test"
NETWORK = "{default_pytest_celery_network.name}"
_PASSWORD = "of a database that ends with its test"
_START_SECONDS = 60


class _Reachable(CeleryTestContainer):  # type: ignore[misc] # pytest-celery's bases have no types
    def get_addr(self, port: str) -> tuple[str, int]:
        """A host and a port that belong together: published on loopback, or the container's own.

        pytest-celery decides by /.dockerenv, which says nothing of who reaches whom: where the tests run in a
        container, the engine may be in there with them.
        """
        for published in self.ports[port]:
            if answers(published):
                return LOOPBACK, published
        return self.ips.primary, int(port.partition("/")[0])

    def _address(self, port: str) -> str:
        self._wait_port(port)
        return ":".join(map(str, self.get_addr(port)))


class _PostgreSQL(_Reachable):
    def ready(self) -> bool:
        """Serving, not just setting itself up: that it does on its socket only."""
        if not super().ready():
            return False
        try:
            psycopg2.connect(self.outside).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _url(self, address: str) -> str:
        password = _PASSWORD.replace(" ", "%20")
        return f"postgresql://postgres:{password}@{address}/payments"

    @property
    def outside(self) -> str:
        """Its address as the tests reach it."""
        return self._url(self._address("5432/tcp"))

    @property
    def inside(self) -> str:
        """Its address as other containers reach it."""
        return self._url(f"{_name(self)}:5432")


class _SimulatorContainer(_Reachable):
    @property
    def ready_prompt(self) -> str:
        return "simulator ready"

    @property
    def outside(self) -> str:
        """Its address as the tests reach it."""
        return f"http://{self._address('12111/tcp')}"

    @property
    def inside(self) -> str:
        """Its address as other containers reach it."""
        return f"http://{_name(self)}:12111"


class _WorkerContainer(CeleryWorkerContainer):  # type: ignore[misc] # likewise
    @classmethod
    def command(cls, *args: str, **_: object) -> list[str]:
        """What compose.yaml runs, but for its name."""
        return ["celery", "-A", "payment_worker", "worker", "--concurrency=2", *args]


def _name(node: CeleryTestContainer) -> str:
    return str(node.attrs["Config"]["Hostname"])


postgresql_container = container(
    image="postgres:17",
    environment={"POSTGRES_PASSWORD": _PASSWORD, "POSTGRES_DB": "payments"},
    ports={"5432/tcp": None},
    network=NETWORK,
    wrapper_class=_PostgreSQL,
    timeout=_START_SECONDS,
)

simulator_container = container(
    image=IMAGE,
    command=["payment-worker", "simulator", "--host=0.0.0.0", "--port=12111"],
    ports={"12111/tcp": None},
    network=NETWORK,
    wrapper_class=_SimulatorContainer,
    timeout=_START_SECONDS,
)


def _worker_container() -> object:
    return container(
        image=IMAGE,
        command=fxtr("default_worker_command"),
        environment=fxtr("worker_settings"),
        network=NETWORK,
        wrapper_class=_WorkerContainer,
        timeout=_START_SECONDS,
        # As compose.yaml runs it.
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108 the container's own
        cap_drop=["ALL"],
        init=True,
    )


default_worker_container = _worker_container()
second_worker_container = _worker_container()


@pytest.fixture
def default_worker_container_cls() -> type[_WorkerContainer]:
    """Whose command `default_worker_command` is."""
    return _WorkerContainer


@pytest.fixture
def bank(simulator_container: _SimulatorContainer) -> RunningSimulator:
    """Stripe."""
    return RunningSimulator(simulator_container.outside)


@pytest.fixture
def payment_database(postgresql_container: _PostgreSQL) -> str:
    """The Payment Database's address as this test reaches it."""
    upgrade(postgresql_container.outside)
    return postgresql_container.outside


class _Redis(_Reachable, RedisContainer):  # type: ignore[misc] # likewise
    @property
    def host_url(self) -> str:
        """Its address as the tests reach it."""
        return f"redis://{self._address('6379/tcp')}/{self.vhost}"

    @classmethod
    def command(cls, *args: str, **_: object) -> list[str]:
        return ["redis-server", "--appendonly", "yes", "--maxmemory-policy", "noeviction", *args]

    @classmethod
    def image(cls) -> str:
        return "redis:8"

    @classmethod
    def ports(cls) -> dict[str, int]:
        """The same after a restart, or the app would have to be told."""
        return {"6379/tcp": free_port()}


@pytest.fixture
def default_redis_broker_cls() -> type[_Redis]:
    """Redis as compose.yaml runs it: it remembers."""
    return _Redis


# pytest-celery's own makes a container of the class above, and then wraps it in another.
default_redis_broker = container(
    image="{default_redis_broker_image}",
    ports=fxtr("default_redis_broker_ports"),
    command=fxtr("default_redis_broker_command"),
    network=NETWORK,
    wrapper_class=_Redis,
    timeout=_START_SECONDS,
)


@pytest.fixture
def worker_settings(
    payment_database: str,
    postgresql_container: _PostgreSQL,
    simulator_container: _SimulatorContainer,
    default_redis_broker: RedisContainer,
) -> dict[str, str]:
    """The settings of a worker as a worker reaches the servers."""
    assert payment_database, "migrated first"
    return {
        **SETTINGS,
        "DATABASE_URL": postgresql_container.inside,
        "REDIS_URL": default_redis_broker.url,
        "STRIPE_API_BASE": simulator_container.inside,
    }
