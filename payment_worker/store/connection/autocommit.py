"""Keeps connections in autocommit mode out of the pool from one statement to the next.

To give a connection out and to take it back costs SQLAlchemy's pool half as much as the driver needs for a statement.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from sqlalchemy import Engine, event
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

Row = tuple[Any, ...]


class AutocommitConnections:
    """Connections of an engine's pool on which each statement is a transaction of its own.

    The pool counts them as checked out, so its limit holds. Thread-safe: a connection is either in one thread's hands
    or in the deque, whose operations are atomic.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: deque[PoolProxiedConnection] = deque()
        event.listen(engine, "checkin", _end_autocommit)

    def run(self, statement: str, parameters: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
        """Run a statement of the driver's own; the columns and the rows that it returns.

        If anything fails the connection is closed: it may be lost, or of no use any more.
        """
        pool = cast("QueuePool", self._engine.pool)
        pooled = self._take()
        try:
            driver: Any = pooled.dbapi_connection
            driver.autocommit = True
            with driver.cursor() as cursor:
                cursor.execute(statement, parameters)
                rows = cursor.fetchall()
                names = [column.name for column in cursor.description]
        except BaseException as error:
            pooled.invalidate(error)
            raise
        # Not after the pool was disposed: another server may be the primary now. And not while more are in use than
        # the pool keeps open: a thread may wait for one.
        if pool is self._engine.pool and pool.checkedout() <= pool.size():
            self._idle.append(pooled)
        else:
            pooled.close()
        return names, rows

    def give_back(self) -> None:
        """Give the idle ones back to the pool."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _take(self) -> PoolProxiedConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.raw_connection()


def _end_autocommit(connection: Any, _: object) -> None:  # noqa: ANN401 - psycopg2's own
    # However it came back, even if a signal's exception struck between two lines above.
    if connection is not None:
        connection.autocommit = False
