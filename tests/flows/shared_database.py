"""A database that one test uses after the other, emptied for each.

A new one costs 25 ms of CPU, and connections and statements that are new to it about as much again.
"""

from typing import Final

from sqlalchemy import Connection, text

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.store.connection.database import Database

_SCHEMA: Final = text(
    "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_constraint),"
    " (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_namespace)"
)
_EMPTY: Final = text("""
DO $$
DECLARE name text;
BEGIN
    SET LOCAL session_replication_role = replica;  -- history is append-only for everybody else
    FOR name IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND relname <> ALL ('{alembic_version,metadata_secret}')
    LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL
    LOOP PERFORM setval(name::regclass, 1, false); END LOOP;
END $$
""")


class SharedDatabase:
    """A migrated database with its connections. It is made anew after a test that has changed its schema."""

    def __init__(self, server: PostgreSQL, *, name: str, template: str) -> None:
        self._server, self._name, self._template = server, name, template
        self._begin()

    def _begin(self) -> None:
        self.url = self._server.create_database(self._name, template=self._template)
        self.database = Database(self.url)
        with self.database.begin() as connection:
            self._schema = _schema(connection)

    def empty(self) -> None:
        """Leave no row of the test before."""
        with self.database.begin() as connection:
            is_as_migrated = _schema(connection) == self._schema
            if is_as_migrated:
                connection.execute(_EMPTY)
        if not is_as_migrated:
            self.close()
            self._begin()

    def close(self) -> None:
        """Close its connections, and drop it."""
        self.database.close()
        self._server.drop_database(self._name)


def _schema(connection: Connection) -> tuple[int, ...]:
    return tuple(connection.execute(_SCHEMA).one())
