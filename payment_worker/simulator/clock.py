"""The simulated clock: real time plus an offset, and a queue of scheduled work."""

import asyncio
import heapq
import time
from collections.abc import Callable
from itertools import count

Work = Callable[[], None]


class Clock:
    """Unix seconds plus an offset that only grows, and a heap of what must still happen."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._pinned_at: float | None = None
        self._due: list[tuple[float, int, Work]] = []
        self._ticket = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Unix seconds; while overdue work runs, the instant at which it was due."""
        return time.time() + self.offset_seconds if self._pinned_at is None else self._pinned_at

    def schedule(self, seconds: float, work: Work) -> None:
        """Run `work` once so many seconds have passed on this clock."""
        heapq.heappush(self._due, (self.now() + seconds, next(self._ticket), work))
        if self._due[0][2] is work:
            self._arm()

    def advance(self, seconds: float) -> int:
        """Move forward and run what falls due on the way, each at its own time; how much ran."""
        target = self.now() + seconds
        ran = 0
        try:
            while self._due and self._due[0][0] <= target:
                self._pinned_at = max(self.now(), self._due[0][0])
                heapq.heappop(self._due)[2]()
                ran += 1
        finally:
            self._pinned_at = None
            self.offset_seconds += seconds
            self._arm()
        return ran

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on work falls due by itself."""
        self._loop = loop
        self._arm()

    def clear(self) -> None:
        """Forget all work and the offset."""
        self._due.clear()
        self.offset_seconds = 0.0

    def state(self) -> dict[str, float | int | None]:
        """What `GET /_simulator/clock` answers."""
        return {
            "now": self.now(),
            "offset_seconds": self.offset_seconds,
            "scheduled": len(self._due),
            "next_due_at": self._due[0][0] if self._due else None,
        }

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is not None and self._due and self._pinned_at is None:
            self._timer = self._loop.call_later(max(0.0, self._due[0][0] - self.now()), self._tick)

    def _tick(self) -> None:
        try:
            while self._due and self._due[0][0] <= self.now():
                heapq.heappop(self._due)[2]()
        finally:
            self._arm()
