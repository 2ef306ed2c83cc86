"""Parses a Payment Database's address as libpq does: several hosts, sockets, sslmode, options."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import parse_dsn
from sqlalchemy import Engine, create_engine

from payment_worker.store.connection.instants import INSTANTS

CONNECT_TIMEOUT_SECONDS: Final = 5
"""For each host."""

_DEFAULTS: Final = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "application_name": "payment-worker",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def engine(url: str, defaults: Mapping[str, Any] = MappingProxyType({}), **pool: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    """An engine whose every connection libpq makes from the address; nothing is connected yet.

    Args:
        url: `postgresql://…`.
        defaults: further parameters of libpq and psycopg2. What the address says wins.
        pool: further arguments of `create_engine`.
    """
    parameters = _parameters(url, defaults)
    return create_engine(
        "postgresql+psycopg2://",
        creator=lambda: _connect(parameters),
        hide_parameters=True,  # an error's text must not carry a customer's data
        **pool,
    )


def _connect(parameters: Mapping[str, Any]) -> extensions.connection:
    connection: extensions.connection = psycopg2.connect(**parameters)
    extensions.register_type(INSTANTS, connection)
    return connection


def _parameters(url: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    dsn: dict[str, Any] = parse_dsn(url)
    options = f"{defaults.get('options', '')} {dsn.get('options', '')}".strip()
    if "," in f"{dsn.get('host')}{dsn.get('hostaddr')}":
        # Whoever names several hosts has a standby, which is of no use to a writer. So after a fail-over the next
        # connection leads to the server that has become the primary.
        dsn.setdefault("target_session_attrs", "read-write")
    return {**_DEFAULTS, **defaults, **dsn, "options": options}


def hosts(url: str) -> str:
    """Hosts and ports for messages, without user and password."""
    parameters = parse_dsn(url)
    names = (parameters.get("host") or parameters.get("hostaddr") or "a local socket").split(",")
    ports = (parameters.get("port") or "5432").split(",")
    ports = ports if len(ports) == len(names) else ports[:1] * len(names)
    return ", ".join(f"{name}:{port or 5432}" for name, port in zip(names, ports, strict=True))
