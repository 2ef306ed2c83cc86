"""Enqueues stored events for workers in the background, so that an unreachable Redis delays no response."""

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final

from payment_worker.store.inbox import InboxEvent
from payment_worker.telemetry import logger
from payment_worker.webhook.metrics import Metrics

log = logger(__name__)

MOST_WAITING: Final = 10_000
"""Some seconds of a burst. What does not fit is found by the sweep when its lease ends."""

CLOSING_SECONDS: Final = 5.0

ANSWERS_FIRST_SECONDS: Final = 3.0
"""How long a burst may hold hints back. To send one costs more than to store an event, and Stripe waits for neither
Redis nor workers: a burst is acknowledged first and processed after. Under lasting load both are done at once."""


class Notifier:
    """One thread that sends hints in the order in which they came.

    A hint is a convenience: the row is what counts. So when the broker does not take one, all that wait are
    dropped, for they would only wait longer than the sweep takes.
    """

    def __init__(self, send: Callable[[InboxEvent], None], metrics: Metrics) -> None:
        self._send = send
        self._metrics = metrics
        self._idle = Event()
        self._idle.set()
        self._answering = 0
        self._busy_since = 0.0
        self._waiting: queue.Queue[InboxEvent | None] = queue.Queue(MOST_WAITING)
        self._thread = Thread(target=self._run, name="hints", daemon=True)
        self._thread.start()

    def give(self, event: InboxEvent) -> None:
        """Have a worker told of it, soon or never. Returns at once."""
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self._metrics.hints(dropped=1)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Holds hints back while somebody waits for an answer. Called in one thread, the loop's."""
        self._answering += 1
        if self._answering == 1:
            self._busy_since = time.monotonic()
            self._idle.clear()
        try:
            yield
        finally:
            self._answering -= 1
            if self._answering == 0:
                self._idle.set()

    def close(self) -> None:
        """Send what waits, unless that takes too long."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        while event := self._waiting.get():
            self._idle.wait(max(0.0, self._busy_since + ANSWERS_FIRST_SECONDS - time.monotonic()))
            try:
                self._send(event)
                self._metrics.hints(sent=1)
            except Exception as error:  # noqa: BLE001 - whatever the broker's client raises, the row is there
                dropped = 1 + self._drop()
                self._metrics.hints(dropped=dropped)
                log.warning(
                    "broker took no hint; the sweep will", dropped=dropped, error=type(error).__name__
                )

    def _drop(self) -> int:
        dropped = 0
        with suppress(queue.Empty):
            while self._waiting.get_nowait():
                dropped += 1
            self._waiting.put(None)  # it was the word to stop, which must still be heard
        return dropped
