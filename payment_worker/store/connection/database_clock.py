"""Reads PostgreSQL's clock, which decides what is due, what has expired and how old a key is.

It is read at intervals; in between, a monotonic clock counts on. The machine's wall clock decides nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from payment_worker.telemetry.stopwatch import elapsed_seconds

AGAIN_SECONDS: Final = 30.0
"""How long the stopwatch is gone by: it drifts by less than a millisecond in that time."""


def machine_now() -> datetime:
    """What the clock of this machine says, which may be wrong."""
    return datetime.now(tz=UTC)


class DatabaseClock:
    """The time of one database's server. Thread-safe; a measurement replaces the one before at once."""

    def __init__(self, machine_clock: Callable[[], datetime] = machine_now) -> None:
        self._machine = machine_clock
        self._measured: tuple[datetime, float] | None = None
        self._is_expired = True
        self.machine_skew = timedelta()
        """How far the machine's clock is ahead."""

    @property
    def is_due(self) -> bool:
        """Whether the server has to be read again."""
        measurement = self._measured
        return measurement is None or self._is_expired or elapsed_seconds() - measurement[1] > AGAIN_SECONDS

    def expire(self) -> None:
        """Ask again at the next chance: the next connection may lead to another server."""
        self._is_expired = True

    def measure(self, connection: Connection) -> None:
        """Ask the server."""
        database_now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        self._measured = database_now, elapsed_seconds()
        self.machine_skew = self._machine() - database_now
        self._is_expired = False

    def now(self) -> datetime | None:
        """The server's time; None before the first measurement."""
        measurement = self._measured
        if measurement is None:
            return None
        return measurement[0] + timedelta(seconds=elapsed_seconds() - measurement[1])
