"""Valkey with a replica, and sentinels that make it the master when the master is gone."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

import redis

from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.binaries import valkey_server
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until

MASTER = "payments"
# As short as a busy machine bears: by default a master is down after 30 s.
SETTINGS = """\
bind {host}
port {port}
sentinel monitor {master} {host} {master_port} 2
sentinel down-after-milliseconds {master} 2000
sentinel failover-timeout {master} 10000
"""


class Sentinels:
    """A master, a replica, and three who watch them."""

    def __init__(self, directory: Path) -> None:
        self.servers: Sequence[Valkey] = (Valkey(), Valkey())
        self._directory, self._ports = directory, [free_port() for _ in range(3)]
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """`REDIS_URL` of whoever asks the sentinels."""
        return ";".join(f"sentinel://{LOOPBACK}:{port}/0" for port in self._ports) + f"?master_name={MASTER}"

    @property
    def broker(self) -> tuple[str, dict[str, Any]]:
        """The same, as another app's Celery wants it: the broker's URL and its transport options."""
        return self.url.split("?")[0], {"master_name": MASTER}

    @property
    def master(self) -> Valkey:
        """Whom most sentinels call so."""
        told = [_sentinel(port).sentinel_get_master_addr_by_name(MASTER) for port in self._ports]
        ports = [int(address[1]) for address in told]
        return next(server for server in self.servers if server.port == max(set(ports), key=ports.count))

    def wait_for_other_master(self, than: Valkey) -> Valkey:
        """Wait until another is the master, and takes what is written."""

        def promoted() -> Valkey | None:
            master = self.master
            return master if master is not than and _role(master) == "master" else None

        found = wait_until(promoted, seconds=30, what="a fail-over")
        assert found is not None
        return found

    def __enter__(self) -> Self:
        with ExitStack() as started:
            master, replica = (started.enter_context(server) for server in self.servers)
            with closing(redis.Redis.from_url(replica.url())) as client:
                client.replicaof(LOOPBACK, str(master.port))
            wait_until(lambda: _linked(replica), what="a replica")
            for port in self._ports:
                started.enter_context(self._watcher(port).start())
            wait_until(self._know_each_other, seconds=20, what="sentinels that know each other")
            self._open = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _watcher(self, port: int) -> Process:
        settings = self._directory / f"sentinel{port}.conf"
        values = {"host": LOOPBACK, "master": MASTER, "master_port": self.servers[0].port}
        settings.write_text(SETTINGS.format(port=port, **values))
        log = self._directory / f"sentinel{port}.log"
        return Process([valkey_server(), settings, "--sentinel"], log=log, cwd=self._directory)

    def _know_each_other(self) -> bool:
        if not all(answers(port) for port in self._ports):
            return False
        told = [_sentinel(port).sentinel_master(MASTER) for port in self._ports]
        return all((each["num-other-sentinels"], each["num-slaves"]) == (2, 1) for each in told)


def _sentinel(port: int) -> Any:  # noqa: ANN401 - redis-py's types say async or not
    return redis.Redis(host=LOOPBACK, port=port, decode_responses=True)


def _role(server: Valkey) -> str:
    return str(_replication(server)["role"])


def _linked(server: Valkey) -> bool:
    return _replication(server).get("master_link_status") == "up"


def _replication(server: Valkey) -> dict[str, Any]:
    with closing(redis.Redis.from_url(server.url())) as client:
        return client.info("replication")
