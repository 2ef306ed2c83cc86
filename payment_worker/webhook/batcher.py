"""Stores webhooks in batches, one transaction for all that arrive during the previous one or close behind it.

So a burst takes as many commits as fit into its time, instead of one per event. An event that comes alone does not
wait, and none waits for others if as many are in flight as ever are: a sender of few connections sends nothing more
before it has an answer. PostgreSQL blocks a thread; two of them are enough, and the loop never waits for either.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from payment_worker.gateway.webhook import Event
from payment_worker.store.connection.database import DatabaseUnavailableError

THREADS: Final = 2
"""One stores while the other commits. Each has a connection."""

BATCH: Final = 100
"""Events in one transaction: a few hundred kilobytes, a few milliseconds."""

GATHERING_SECONDS: Final = 0.05
"""From the start of one batch to the start of the next: at 300 events a second, fifteen share a transaction."""

ENOUGH: Final = 16
"""Events that are stored without waiting for more: a burst on that many connections would only be slowed down."""

MEMORY_SECONDS: Final = 0.5
"""How long it counts how many were in flight. A sender that has fewer connections since then waits at most twice that
long for others that do not come."""

Keep = Callable[[Sequence[Event]], Sequence[bool]]
"""Stores events, all or none; False in the place of each that was stored before."""

Waiting = tuple[Event, asyncio.Future[bool]]


class InFlight:
    """The most events that were in flight together in the last one or two times `MEMORY_SECONDS`."""

    def __init__(self) -> None:
        self._most = self._most_before = 0
        self._since = 0.0

    def is_most(self, in_flight: int, *, now: float) -> bool:
        """Whether so many are, and no more have been: then nobody is left who might send another soon."""
        if now - self._since > MEMORY_SECONDS:
            self._most, self._most_before, self._since = 0, self._most, now
        before = max(self._most, self._most_before)
        self._most = max(self._most, in_flight)
        return in_flight == before


class Batcher:
    """Events on their way into the inbox."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="storing")
        self._free = THREADS
        self._storing = 0
        self._in_flight = InFlight()
        self._waiting: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, event: Event, *, seconds: float) -> bool:
        """Store one event. Once this returns it is committed; False when it was stored before.

        Raises:
            DatabaseUnavailableError: it may or may not be stored.
            TimeoutError: likewise; it took more than so many seconds.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(seconds, _fail, future, TimeoutError())
        self._waiting.append((event, future))
        self._begin_batches()
        try:
            return await future
        finally:
            timer.cancel()

    def close(self) -> None:
        """Forget what waits. What is being stored ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin_batches(self) -> None:
        """Store what waits: at once if that is enough or all, or if the last batch began long enough ago."""
        loop = asyncio.get_running_loop()
        is_all = self._in_flight.is_most(len(self._waiting) + self._storing, now=loop.time())
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._free and self._waiting:
            if loop.time() < self._next_at and len(self._waiting) < ENOUGH and not is_all:
                self._timer = loop.call_at(self._next_at, self._begin_batches)
                return
            if batch := self._next_batch():
                self._free -= 1
                self._storing += len(batch)
                self._next_at = loop.time() + GATHERING_SECONDS
                task = loop.create_task(self._run_batch(batch))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _run_batch(self, batch: list[Waiting]) -> None:
        try:
            await self._store(batch)
        finally:
            self._free += 1
            self._storing -= len(batch)
            self._begin_batches()

    def _next_batch(self) -> list[Waiting]:
        batch: list[Waiting] = []
        while self._waiting and len(batch) < BATCH:
            waiting = self._waiting.popleft()
            if not waiting[1].done():  # nothing waits for the result any more
                batch.append(waiting)
        return batch

    async def _store(self, batch: list[Waiting]) -> None:
        loop = asyncio.get_running_loop()
        events = [event for event, _ in batch]
        try:
            are_new = await loop.run_in_executor(self._threads, self._keep_patiently, events)
        except DatabaseUnavailableError as error:
            _fail_batch(batch, error)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            if len(batch) == 1:
                _fail_batch(batch, error)
            # One of them cannot be stored: the others shall not suffer for it.
            for waiting in batch if len(batch) > 1 else ():
                await self._store([waiting])
        else:
            for (_, future), each in zip(batch, are_new, strict=True):
                if not future.done():
                    future.set_result(each)

    def _keep_patiently(self, events: Sequence[Event]) -> Sequence[bool]:
        try:
            return self._keep(events)
        except DatabaseUnavailableError:
            # Connections that waited in the pool died if PostgreSQL was restarted; a new one may do. If the first
            # commit took effect after all, the events are known now, and found by the sweep.
            return self._keep(events)


def _fail_batch(batch: Sequence[Waiting], error: Exception) -> None:
    for _, future in batch:
        _fail(future, error)


def _fail(future: asyncio.Future[bool], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
