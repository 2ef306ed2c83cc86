"""The Prometheus collector that reads the gauges of the whole installation at each scrape."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from payment_worker import bootstrap
from payment_worker.monitoring import database as rows
from payment_worker.monitoring import gauges, queues
from payment_worker.monitoring.gauges import Reading
from payment_worker.monitoring.source import Source
from payment_worker.settings import Settings
from payment_worker.store.connection.database import Database
from payment_worker.store.queries import backlog

ANSWER_SECONDS: Final = 3.0
"""For PostgreSQL and Redis together; Prometheus waits for 10 s by default."""


class State(Collector):
    """Reads rows and queues at each scrape. Thread-safe; not for a process that forks."""

    def __init__(
        self,
        *,
        database: Database,
        client: Any,  # noqa: ANN401 - redis-py's types say async or not
        queues: Sequence[str],
        stream: str,
        clock: Callable[[], datetime],
    ) -> None:
        """Create the collector; it connects on first use.

        Args:
            database: the Payment Database.
            client: a Redis client.
            queues: the queues whose lengths are reported.
            stream: the name of the stream of outcomes.
            clock: now, aware.
        """
        self._database = database
        self._client = client
        self._queues = queues
        self._stream = stream
        self._clock = clock
        self._accounts: Sequence[str] = ()
        self._sources = (
            Source(gauges.DATABASE_UP, self._database_readings),
            Source(gauges.REDIS_UP, self._redis_readings),
        )

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The metrics without reading anything: a registry requests them in advance."""
        return [GaugeMetricFamily(gauge.name, gauge.means, labels=gauge.labels) for gauge in gauges.GAUGES]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All of it as it is now, or was a second ago."""
        families = {family.name: family for family in self.describe()}
        for reading in self.readings():
            families[reading.what.name].add_metric(reading.labels, reading.value)
        return families.values()

    def readings(self) -> Sequence[Reading]:
        """The same, as values."""
        until = time.monotonic() + ANSWER_SECONDS
        for source in self._sources:
            source.ask()
        return [
            reading
            for source in self._sources
            for reading in source.answer(seconds=max(0.0, until - time.monotonic()))
        ]

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
        self._client.close()

    def _database_readings(self) -> Sequence[Reading]:
        with self._database.begin() as connection:
            readings = list(rows.read(connection, now=self._database.now()))
            self._accounts = [account for account, _ in backlog.accounts_polled(connection)]
        return readings

    def _redis_readings(self) -> Sequence[Reading]:
        return list(
            queues.read(
                self._client,
                queues=self._queues,
                stream=self._stream,
                accounts=self._accounts,
                now=self._clock(),
            )
        )


REDIS_SECONDS: Final = 2.0


def state_of(settings: Settings, *, queues: Sequence[str], database: Database | None = None) -> State:
    """The collector of these settings, or of another database; it connects on first use."""
    return State(
        database=database or bootstrap.database(settings, connections=1),
        client=bootstrap.redis(settings, timeout_seconds=REDIS_SECONDS),
        queues=queues,
        stream=settings.stream,
        clock=bootstrap.now,
    )
