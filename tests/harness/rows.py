"""Reading the Payment Database as an outsider would: plain SQL on a connection of one's own."""

from contextlib import closing
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from payment_worker.devstack.waiting import wait_until


class Rows:
    """Queries of one database. Each call sees what is committed at that moment."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self.reconnect()

    def reconnect(self) -> None:
        """Connect, again after the server was gone."""
        self._connection = psycopg2.connect(self.url)
        self._connection.autocommit = True

    def __call__(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """The rows of a query with `%s` placeholders, or none for a statement that returns nothing."""
        with self._connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(query, parameters)
            return [dict(row) for row in cursor] if cursor.description else []

    def one(self, query: str, *parameters: object) -> dict[str, Any]:
        """The only row of a query."""
        (row,) = self(query, *parameters)
        return row

    def wait_for(self, query: str, *parameters: object, seconds: float = 20) -> dict[str, Any]:
        """Wait until a query finds a row, and return the first."""
        return wait_until(lambda: self(query, *parameters), seconds=seconds, what=f"{query} {parameters}")[0]

    def close(self) -> None:
        with closing(self._connection):
            pass
