"""Reads one server in a thread with a deadline, so that a hanging server does not delay a scrape."""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event, Lock, Thread
from typing import Final

import redis

from payment_worker.monitoring.gauges import Gauge, Reading
from payment_worker.store.connection.database import DatabaseUnavailableError, Outage
from payment_worker.telemetry import logger

log = logger(__name__)

FRESH_SECONDS: Final = 1.0
"""Prometheus servers that scrape at the same time share one reading."""


class Source:
    """One server, read by one thread at a time."""

    def __init__(self, up: Gauge, read_readings: Callable[[], Iterable[Reading]]) -> None:
        """Create the source.

        Args:
            up: 1 with the readings, 0 without any.
            read_readings: reads the server.
        """
        self._up = up
        self._read = read_readings
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()
        self._readings: Sequence[Reading] = ()
        self._read_at: float | None = None

    def ask(self) -> None:
        """Begin to read the server, unless that is in progress or was just done."""
        with self._lock:
            is_fresh = self._read_at is not None and time.monotonic() - self._read_at < FRESH_SECONDS
            if is_fresh or not self._idle.is_set():
                return
            self._idle.clear()
        Thread(target=self._read_server, name=self._up.name, daemon=True).start()

    def answer(self, *, seconds: float) -> Sequence[Reading]:
        """The readings, if the server responds within this time."""
        return self._readings if self._idle.wait(seconds) else [Reading(self._up, 0)]

    def _read_server(self) -> None:
        try:
            self._readings = [Reading(self._up, 1), *self._read()]
        except DatabaseUnavailableError as error:
            # The receiver's role may not read these tables: beat does.
            self._readings = [Reading(self._up, int(error.outage is Outage.NO_PERMISSION))]
        except redis.RedisError:
            self._readings = [Reading(self._up, 0)]
        except Exception as bug:  # noqa: BLE001 - whoever scrapes is told, and the text may hold anything
            self._readings = [Reading(self._up, 0)]
            log.error("metrics not readable", source=self._up.name, error=type(bug).__name__)  # noqa: TRY400
        finally:
            self._read_at = time.monotonic()
            self._idle.set()
