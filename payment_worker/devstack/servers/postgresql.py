"""Starts, stops and kills a PostgreSQL server, as any user including root."""

import os
import secrets
import signal
import tempfile
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import quote

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.devstack.processes import Identity, Process, ProcessEndedError
from payment_worker.devstack.servers.binaries import postgres_bin, reachable_by_nobody
from payment_worker.devstack.servers.server import Server

_USER = "payment_worker"
_NOBODY = 65534
# Written to disk when convenient: a test's data need not survive the machine, only the process.
_FORGETFUL: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    # Shared memory segments of a killed server would stay behind in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "200",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class PostgreSQL(Server):
    """A server with one superuser, whose password is made once and kept beside the data."""

    # Fast shutdown: open transactions are rolled back, clients are disconnected.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(
        self,
        *,
        data: Path | None = None,
        durable: bool = True,
        port: int | None = None,
        identity: Identity | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """See `Server`, and further.

        Args:
            data: as `Server` says.
            durable: false only for tests: faster, and a crash of the machine (not the server) may lose data.
            port: as `Server` says.
            identity: whom it runs as; whatever works here when not given.
            settings: further ones, as postgresql.conf has them.
        """
        super().__init__(data=data, port=port, volatile=not durable)
        self._durable = durable
        self._settings = settings
        self._identity = identity or permitted_identity()

    @property
    def _password(self) -> Path:
        return self.directory / "password"

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases, user and password included."""
        password = quote(self._password.read_text(encoding="utf-8"))
        return f"postgresql://{_USER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether it accepts connections and queries right now."""
        try:
            self.execute("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def execute(self, statement: str | sql.Composable, *, database: str = "postgres") -> None:
        """Run one statement outside a transaction, as superuser."""
        with closing(psycopg2.connect(self.url(database), connect_timeout=2)) as connection:
            connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database, a copy of the template (which nobody may be using), and return its URL."""
        # A checkpoint costs nothing where nothing is synced, and then copying files is the quicker way.
        strategy = "wal_log" if self._durable else "file_copy"
        statement = sql.SQL(f"CREATE DATABASE {{}} TEMPLATE {{}} STRATEGY {strategy}")
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, whoever is still connected."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def set_read_only(self, name: str, *, read_only: bool) -> None:
        """Let a database refuse writes, or take them again. The sessions of our processes are ended, and begun anew."""
        value = "on" if read_only else "off"
        change = f"ALTER DATABASE {{}} SET default_transaction_read_only = {value}"
        self.execute(sql.SQL(change).format(sql.Identifier(name)))
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'payment-worker'"
        )
        self.execute(sql.SQL(f"{ended} AND datname = {{}}").format(sql.Literal(name)))

    def _prepare(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_hex(16), encoding="utf-8")
        if self._identity == "nobody":
            for place in (self.directory, self._password):
                os.chown(place, _NOBODY, _NOBODY)
        initdb = Process(
            [
                _programs(self._identity) / "initdb",
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={self._password}"),
                *([] if self._durable else ["--no-sync", "--set=scram_iterations=1"]),
                f"--pgdata={self.data}",
            ],
            log=self.directory / "initdb.log",
            identity=self._identity,
            remove=self.directory if self._temporary else None,
        )
        with initdb.start():
            if initdb.wait(60):
                raise ProcessEndedError(f"initdb failed\n{initdb.tail()}")

    def _described(self) -> Process:
        settings = {
            **_SETTINGS,
            **({} if self._durable else _FORGETFUL),
            **self._settings,
            "port": str(self.port),
        }
        return Process(
            [
                _programs(self._identity) / "postgres",
                *("-D", self.data),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            log=self.log,
            identity=self._identity,
            # Immediate shutdown: it tidies up its shared memory, and the next start recovers.
            last_signal=signal.SIGQUIT,
            remove=self.directory if self._temporary else None,
        )


@cache
def permitted_identity() -> Identity:
    """PostgreSQL refuses root: hide that in a user namespace, or be nobody where that is not allowed."""
    if os.geteuid() != 0:
        return "same"
    with tempfile.TemporaryDirectory() as directory:
        trial = Process(["true"], log=Path(directory, "log"), identity="namespace")
        return "nobody" if trial.start().wait() else "namespace"


@cache
def _programs(identity: Identity) -> Path:
    return reachable_by_nobody(postgres_bin()) if identity == "nobody" else postgres_bin()
