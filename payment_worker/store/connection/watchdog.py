"""Closes connections on which a frozen PostgreSQL does not respond, which no other timeout detects.

`statement_timeout` is measured by the server, keepalives are answered by its kernel, and `tcp_user_timeout` only
notices that bytes were received. libpq waits without limit, so one thread watches all connections of a `Database`.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any, Final

from psycopg2 import InterfaceError, extensions

ROUNDS: Final = 10
"""The watch looks so often within the time that an answer may take. Rounds are counted and not seconds, for time that
this process itself was frozen says nothing of PostgreSQL."""


class Watch:
    """Closes connections whose statements get no response in time. Their callers get psycopg2's OperationalError."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds_a_round = seconds / ROUNDS
        self._round = 0
        self._waiting: dict[Connection, int] = {}
        self._lock = Lock()
        self._over: Event | None = None

    def connection(self, *dsn: str, **options: Any) -> "Connection":  # noqa: ANN401 - psycopg2's own
        """A new connection that is watched; psycopg2's `connection_factory`."""
        new = Connection(*dsn, **options)
        new.watch, new.cursor_factory = self, Cursor
        with self._lock:
            if self._over is None:
                self._over = Event()
                Thread(target=self._run, args=[self._over], name="silence", daemon=True).start()
        return new

    def wait(self, connection: "Connection", call: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - psycopg2's own
        """Call what waits for a response on this connection; after that the connection is not touched."""
        with self._lock:
            self._waiting[connection] = self._round
        try:
            call(*arguments)
        finally:
            with self._lock:
                self._waiting.pop(connection, None)

    def close(self) -> None:
        """Stop watching, until there is a new connection."""
        with self._lock:
            if self._over is not None:
                self._over.set()
            self._over = None

    def _run(self, stop: Event) -> None:
        while not stop.wait(self._seconds_a_round):
            with self._lock:
                self._round += 1
                late = [each for each, began in self._waiting.items() if self._round - began > ROUNDS]
                for each in late:
                    del self._waiting[each]
                    _hang_up(each)


class Connection(extensions.connection):  # type: ignore[misc] # psycopg2 has no types
    """A connection whose every wait for a response is watched, its cursors' too."""

    watch: Watch

    def commit(self) -> None:
        """As psycopg2 does."""
        self.watch.wait(self, super().commit)

    def rollback(self) -> None:
        """As psycopg2 does."""
        self.watch.wait(self, super().rollback)


class Cursor(extensions.cursor):  # type: ignore[misc] # psycopg2 has no types
    """A cursor of a connection that is watched."""

    def execute(self, *statement: Any) -> None:  # noqa: ANN401 - psycopg2's own
        """As psycopg2 does."""
        self.connection.watch.wait(self.connection, super().execute, *statement)

    def executemany(self, *statements: Any) -> None:  # noqa: ANN401 - psycopg2's own
        """As psycopg2 does: one statement after the other."""
        self.connection.watch.wait(self.connection, super().executemany, *statements)


def _hang_up(connection: Connection) -> None:
    # Not close(): that would wait for the very lock which libpq's waiting thread holds. The line goes dead instead,
    # and libpq notices it. A connection that is dead already, or closed by libpq, needs nothing.
    with (
        suppress(InterfaceError, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as sock,
    ):
        sock.shutdown(socket.SHUT_RDWR)
