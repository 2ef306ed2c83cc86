"""Starts, stops and kills a Valkey (or Redis) server."""

import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.binaries import valkey_server
from payment_worker.devstack.servers.server import Server


class Valkey(Server):
    """A server that keeps what it is told in an append-only file, or in memory alone."""

    def __init__(
        self,
        *,
        data: Path | None = None,
        append_only: bool = True,
        databases: int = 16,
        port: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """See `Server`, and further.

        Args:
            data: as `Server` says.
            append_only: whether a restart finds what was written before. Without it, it comes back empty.
            databases: how many numbered databases it has.
            port: as `Server` says.
            settings: further ones, as valkey.conf has them.
        """
        super().__init__(data=data, port=port)
        self._append_only = append_only
        self._databases = databases
        self._settings = settings

    def url(self, database: int = 0) -> str:
        """The URL of one of its numbered databases."""
        return f"redis://{LOOPBACK}:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether it answers right now, with its data loaded."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(b"INFO server\r\n")
                # Not just any answer: another server may have been quicker to take the port.
                return f"process_id:{self.process.pid}\r".encode() in connection.recv(65_536)
        except OSError:
            return False

    def _prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)

    def _described(self) -> Process:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.data),
            "appendonly": "yes" if self._append_only else "no",
            "save": "",
            "databases": str(self._databases),
            # A queue that silently drops its oldest messages is no queue.
            "maxmemory-policy": "noeviction",
            **self._settings,
        }
        return Process(
            [valkey_server(), *(part for name, value in settings.items() for part in (f"--{name}", value))],
            log=self.log,
            remove=self.directory if self._temporary else None,
        )
