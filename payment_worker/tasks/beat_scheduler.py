"""Beat's scheduler, which stores its state in PostgreSQL instead of a file, so that any beat can take over.

Celery's own keeps wall-clock times in a file. If the clock is set back it enqueues nothing for as long, even after a
restart, and a damaged file ends it again and again (seen with celery 5.7.0). Here this process's monotonic clock
triggers the checks, and PostgreSQL's clock decides what is due. While PostgreSQL is unreachable the monotonic clock
alone decides: running one of these tasks twice is harmless.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from celery.beat import Scheduler as CeleryScheduler

from payment_worker.settings import Settings
from payment_worker.store import beat_schedule
from payment_worker.store.connection.database import Database, DatabaseUnavailableError
from payment_worker.telemetry import logger

log = logger(__name__)

LEFT_ALONE_SECONDS: Final = 10.0
"""A database that could not serve is not asked again sooner: it may be slow to fail."""

_DAY: Final = timedelta(days=1)


class Scheduler(CeleryScheduler):  # type: ignore[misc] # Celery has no types
    """Enqueues each task of `beat_schedule` when its interval has passed."""

    def __init__(self, app: Any, *, lazy: bool = False, **options: Any) -> None:  # noqa: ANN401 - Celery's signature
        self._seconds: Callable[[], float] = time.monotonic
        self._due_at: dict[str, float] = {}
        self._owed: set[str] = set()
        self._ask_from = 0.0
        self._database: Database | None = None
        super().__init__(app, lazy=lazy, **options)
        if not lazy:
            self._database = _database()

    def tick(self, *_: object, **__: object) -> float:
        """Enqueue what is due. Returns the seconds until the next tick."""
        now = self._seconds()
        for name, entry in self.schedule.items():
            if self._due_at.get(name, now) <= now:
                self._due_at[name] = now + self._enqueue_if_due(name, entry)
        next_at = min(self._due_at.values(), default=now + self.max_interval)
        return float(min(max(next_at - self._seconds(), 0.0), self.max_interval))

    def _enqueue_if_due(self, name: str, entry: Any) -> float:  # noqa: ANN401 - Celery's entry
        """Enqueue a task that is due. Returns the seconds until it may be due again."""
        every = getattr(entry.schedule, "run_every", _DAY)
        if name not in self._owed and (wait := self._seconds_until_due(name, every)):
            return wait
        try:
            self.apply_async(entry, producer=self.producer, advance=False)
        except Exception as error:  # noqa: BLE001 - whatever kept it from Redis, it is tried again
            log.warning("task not enqueued", task=entry.task, error=type(error).__name__)
            self._owed.add(name)
            return float(self.max_interval)
        log.debug("task enqueued", task=entry.task)
        self._owed.discard(name)
        return float(every.total_seconds())

    def _seconds_until_due(self, name: str, every: timedelta) -> float:
        """Seconds until it is due; 0 if it is due now, and recorded as enqueued."""
        if self._database is None or self._seconds() < self._ask_from:
            return 0.0
        try:
            with self._database.begin() as connection:
                claim = beat_schedule.claim(connection, name, every=every)
        except DatabaseUnavailableError as error:
            log.warning("schedule kept in memory", error=str(error))
            self._ask_from = self._seconds() + LEFT_ALONE_SECONDS
            return 0.0
        since = claim.since or timedelta()
        if since < timedelta():
            log.warning("clock was set back", task=name, seconds=-since.total_seconds())
        return 0.0 if claim.is_ours else max((every - since).total_seconds(), 0.1)

    def close(self) -> None:
        """Let go of PostgreSQL and Redis."""
        if self._database is not None:
            self._database.close()
        super().close()

    @property
    def info(self) -> str:
        """What beat writes about it at its start."""
        # Celery calls this on a lazy scheduler, which has no database.
        database = self._database or _database()
        location = database.host if database else "in memory: DATABASE_URL is not set"
        return f"    . schedule -> {location}"


def _database() -> Database | None:
    url = Settings.from_environment(needed_by=(), without=("stripe", "webhook")).database_url
    return Database(url.get_secret_value(), connections=1) if url else None
