"""A thread that acts at random intervals until it is stopped: the base of what a chaos run adds to its load."""

import random
from abc import ABC, abstractmethod
from threading import Event, Thread
from typing import Self


class RandomActions(ABC):
    """Calls `act` in a thread, `every_seconds` on average. The seed and the name decide what it does."""

    def __init__(self, name: str, *, seed: int, every_seconds: float) -> None:
        self._random = random.Random(f"{name} {seed}")  # noqa: S311 a run must be repeatable
        self._every_seconds = every_seconds
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def act(self) -> None:
        """Do it once. Outages are this method's to suppress."""

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._random.uniform(0.5, 1.5) * self._every_seconds):
            self.act()
