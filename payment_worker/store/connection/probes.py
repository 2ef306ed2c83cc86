"""Queries that check whether the database can be written to and has the expected schema."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

_NOTHING: Final = text("INSERT INTO stripe_event (event_id) SELECT NULL WHERE false")
"""Rejected if rows may not be inserted, for whatever reason, and writes nothing if they may."""

_ROW: Final = text(
    "INSERT INTO operator_action (action, subject, actor, recorded_at) VALUES ('paused', 'all', 'doctor', now())"
)


def check_inbox_is_writable(connection: Connection) -> None:
    """Raise what an event's INSERT would raise: a read-only database, or a missing grant. Writes no row."""
    connection.execute(_NOTHING)


def write_and_roll_back(connection: Connection) -> None:
    """Write a row and roll it back: a full disk rejects it, too. The transaction continues as before."""
    attempt = connection.begin_nested()
    try:
        connection.execute(_ROW)
    finally:
        attempt.rollback()


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a database can't be ours, and the command that makes it fit."""

    fault: str
    remedy: str


def unfit(connection: Connection) -> Unfit | None:
    """What is wrong with a database that can be reached, whatever it holds; None where it is fit."""
    return _encoding(connection) or _schema(connection)


def _encoding(connection: Connection) -> Unfit | None:
    encoding, name = connection.execute(
        text("SELECT current_setting('server_encoding'), current_database()")
    ).one()
    if encoding == "UTF8":
        return None
    return Unfit(
        f"database {name} has the encoding {encoding}, in which a name such as é cannot be stored",
        f"make one in UTF8 and let DATABASE_URL name it: createdb --encoding=UTF8 --template=template0 {name}_utf8",
    )


def _schema(connection: Connection) -> Unfit | None:
    path, current, user = connection.execute(
        text("SELECT current_setting('search_path'), current_schema(), current_user")
    ).one()
    names = [part.strip().strip('"') for part in path.split(",")]
    schemas = [name for name in names if name and name != "$user"]
    if not schemas:
        return (
            None
            if current
            else Unfit(f"search_path {path!r} names no schema", "correct search_path in DATABASE_URL")
        )
    exists = connection.scalar(
        text("SELECT true FROM pg_namespace WHERE nspname = :name"), {"name": schemas[0]}
    )
    if exists or current == user:
        return None
    return Unfit(
        f"schema {schemas[0]} does not exist, which search_path names",
        f'psql "$DATABASE_URL" -c \'CREATE SCHEMA "{schemas[0]}"\'; or correct search_path in DATABASE_URL',
    )
