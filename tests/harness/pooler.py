"""PgBouncer before a PostgreSQL server: each transaction may get another of a few connections."""

import os
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from tests.harness.tools import tool

# What `docs/how-to/deploy.md` tells operators to write.
SETTINGS = """\
[databases]
payments = host={host} port={server_port} connect_query='{connect_query}'
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {most}
ignore_startup_parameters = options
"""
CONNECT_QUERY = (
    "SET statement_timeout = 15000; SET lock_timeout = 10000; SET idle_in_transaction_session_timeout = 60000"
)


class Pooler:
    """PgBouncer in transaction mode, with so many connections to the server at most."""

    def __init__(self, server: PostgreSQL, directory: Path, *, most: int) -> None:
        program = tool("pgbouncer", comes_with="Debian's package of that name")
        self._login, self.port = urlsplit(server.url()), free_port()
        # Whoever it runs as may read them; it refuses to be root.
        directory.chmod(0o755)
        users, settings = directory / "users.txt", directory / "pgbouncer.ini"
        users.write_text(f'"{self._login.username}" "{unquote(str(self._login.password))}"\n')
        values = {"host": LOOPBACK, "port": self.port, "server_port": self._login.port, "most": most}
        settings.write_text(SETTINGS.format(users=users, connect_query=CONNECT_QUERY, **values))
        self._process = Process(
            [program, settings],
            log=directory / "pgbouncer.log",
            ready=lambda: answers(self.port),
            cwd=directory,
            identity="nobody" if os.geteuid() == 0 else "same",
        )

    @property
    def url(self) -> str:
        """The Payment Database, through it."""
        return f"postgresql://{self._login.username}:{self._login.password}@{LOOPBACK}:{self.port}/payments"

    def __enter__(self) -> Self:
        self._process.start().wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
