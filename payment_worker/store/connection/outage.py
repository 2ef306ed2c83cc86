"""Classifies PostgreSQL errors as outages by SQLSTATE, which psycopg2's exception classes do not.

An outage passes by itself or is ended by an operator, so it never counts against the request that met it. What is
left is the statement's own fault, and is raised as it is.
"""

import re
from collections.abc import Mapping
from typing import Final

import psycopg2
from sqlalchemy.exc import DBAPIError

from payment_worker.domain.explained_code import Code


class Outage(Code):
    """Why PostgreSQL cannot serve now: a code, and words for people."""

    READ_ONLY = "read_only", "read-only"
    DISK_FULL = "disk_full", "disk full"
    OUT_OF_MEMORY = "out_of_memory", "out of memory"
    TOO_MANY_CONNECTIONS = "too_many_connections", "too many connections"
    OUT_OF_RESOURCES = "out_of_resources", "out of resources"
    CONFLICT = "conflict", "deadlock or serialization failure"
    BUSY = "busy", "object in use or locked"
    TIMEOUT = "timeout", "statement timeout"
    IDLE_TIMEOUT = "idle_timeout", "transaction timeout"
    SHUTTING_DOWN = "shutting_down", "shutting down"
    STARTING = "starting", "starting up"
    STORAGE_ERROR = "storage_error", "input/output error"
    INTERNAL_ERROR = "internal_error", "internal error of PostgreSQL"
    WRONG_PASSWORD = "wrong_password", "wrong password"
    ACCESS_REFUSED = "access_refused", "access refused by pg_hba.conf, or no such role"
    NO_PERMISSION = "no_permission", "permission denied"
    NO_DATABASE = "no_database", "no such database"
    NO_SCHEMA = "no_schema", "no such schema"
    NOT_MIGRATED = "not_migrated", "migrations have to be run"
    NOTHING_LISTENS = "nothing_listens", "nothing listens"
    NAME_UNKNOWN = "name_unknown", "host name unknown"
    NO_ANSWER = "no_answer", "no answer in time"
    NO_WRITABLE_SERVER = "no_writable_server", "no server with these target_session_attrs"
    TLS_FAILED = "tls_failed", "TLS failed"
    BAD_PARAMETER = "bad_parameter", "a parameter of the address does not fit"
    CONNECTION_LOST = "connection_lost", "connection lost"
    POOL_EXHAUSTED = "pool_exhausted", "no connection became free"


_CODES: Final[Mapping[str, Outage]] = {
    "25006": Outage.READ_ONLY,
    "25P03": Outage.IDLE_TIMEOUT,
    "25P04": Outage.IDLE_TIMEOUT,
    "28P01": Outage.WRONG_PASSWORD,
    "3D000": Outage.NO_DATABASE,
    "3F000": Outage.NO_SCHEMA,
    "42501": Outage.NO_PERMISSION,
    "42P01": Outage.NOT_MIGRATED,
    "42703": Outage.NOT_MIGRATED,
    "53100": Outage.DISK_FULL,
    "53200": Outage.OUT_OF_MEMORY,
    "53300": Outage.TOO_MANY_CONNECTIONS,
    "55P03": Outage.BUSY,
    "57014": Outage.TIMEOUT,
    "57P03": Outage.STARTING,
}
_CLASSES: Final[Mapping[str, Outage]] = {
    "08": Outage.CONNECTION_LOST,
    "28": Outage.ACCESS_REFUSED,
    "40": Outage.CONFLICT,
    "53": Outage.OUT_OF_RESOURCES,
    "55": Outage.BUSY,
    "57": Outage.SHUTTING_DOWN,
    "58": Outage.STORAGE_ERROR,
    "XX": Outage.INTERNAL_ERROR,
}
"""Classes of SQLSTATE that are outages as a whole. Not 54, a limit of the program: that is the statement's own."""

_TEXTS: Final[tuple[tuple[str, Outage, str | None], ...]] = (
    # libpq tells no SQLSTATE of an attempt to connect, nor of a connection's end: only a text, in English where
    # lc_messages is.
    (r"password authentication failed|no password supplied", Outage.WRONG_PASSWORD, "28P01"),
    (r"no pg_hba\.conf entry|role .* does not exist|not permitted to log in", Outage.ACCESS_REFUSED, "28000"),
    (r"database .* does not exist", Outage.NO_DATABASE, "3D000"),
    (r"permission denied for database", Outage.NO_PERMISSION, "42501"),
    (
        r"too many clients|too many connections|connection slots are reserved",
        Outage.TOO_MANY_CONNECTIONS,
        "53300",
    ),
    (r"terminating connection due to administrator command", Outage.SHUTTING_DOWN, "57P01"),
    (
        r"terminating connection due to (?:idle-in-transaction|transaction) timeout",
        Outage.IDLE_TIMEOUT,
        "25P03",
    ),
    (r"is shutting down", Outage.SHUTTING_DOWN, "57P03"),
    (r"is starting up|not (?:yet )?accepting connections|in recovery mode", Outage.STARTING, "57P03"),
    (
        r"session is (?:not )?read-only|server is (?:not )?in hot standby mode",
        Outage.NO_WRITABLE_SERVER,
        None,
    ),
    (
        r"unrecognized configuration parameter|command-line|could not match|invalid ",
        Outage.BAD_PARAMETER,
        None,
    ),
    (r"could not translate host name|could not parse network address", Outage.NAME_UNKNOWN, None),
    (r"Connection refused|No such file or directory", Outage.NOTHING_LISTENS, None),
    (r"timeout expired|timed out|No route to host|Network is unreachable", Outage.NO_ANSWER, None),
    (r"SSL (?!connection has been closed)|SSL, but|certificate", Outage.TLS_FAILED, None),
)


_WITHOUT_RESPONSE: Final = frozenset({"OperationalError", "InterfaceError", "DatabaseError"})
"""The classes of psycopg2's errors that have no SQLSTATE because the server said nothing."""


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot serve now. The message names the outage, its SQLSTATE where there is one, and the host."""

    def __init__(self, outage: Outage, *, sqlstate: str | None = None, host: str = "") -> None:
        self.outage, self.sqlstate, self.host = outage, sqlstate, host
        code = f" ({sqlstate})" if sqlstate else ""
        super().__init__(f"{outage.sentence}{code}" + (f" at {host}" if host else ""))


class NotMigratedError(DatabaseUnavailableError):
    """A table or a column does not exist (yet): migrations have to be run; callers retry until then."""


def unavailable(error: DBAPIError | psycopg2.Error, *, host: str) -> DatabaseUnavailableError | None:
    """The outage that this driver error means; None if it is the statement's own error."""
    outage, sqlstate = _outage(error)
    if outage is None:
        return None
    kind = NotMigratedError if outage is Outage.NOT_MIGRATED else DatabaseUnavailableError
    return kind(outage, sqlstate=sqlstate, host=host)


def _outage(error: DBAPIError | psycopg2.Error) -> tuple[Outage | None, str | None]:
    driver_error, is_lost = (
        (error.orig, error.connection_invalidated) if isinstance(error, DBAPIError) else (error, False)
    )
    sqlstate: str | None = getattr(driver_error, "pgcode", None)
    if sqlstate:
        return _CODES.get(sqlstate) or _CLASSES.get(sqlstate[:2]), sqlstate
    # Without a SQLSTATE it is no response to a statement: the connection was lost, or never established.
    if is_lost or type(driver_error).__name__ in _WITHOUT_RESPONSE:
        text = str(driver_error)
        outages = ((outage, code) for pattern, outage, code in _TEXTS if re.search(pattern, text))
        return next(outages, (Outage.CONNECTION_LOST, None))
    return None, None
