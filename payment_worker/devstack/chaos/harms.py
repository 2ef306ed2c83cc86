"""What dies in a run, and comes back: the harms, and the thread that deals them out."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from typing import Final, Self

from payment_worker.devstack.chaos.arena import LEASE_SECONDS, Arena

_TURN_SECONDS: Final = 0.2
_LONGEST_OUTAGE_SECONDS: Final = 3.0
_START_SECONDS: Final = 15.0
_LAST_WORDS_SECONDS: Final = 20.0
_PAST_ITS_LEASE_SECONDS: Final = LEASE_SECONDS + 2.0


class Harms:
    """A thread that kills and pauses, brings back, and restarts whatever ended unasked, as a supervisor does.

    Each harm comes up once before any comes a second time. After `stop` all is brought back and stays up.
    """

    def __init__(self, arena: Arena, *, seed: int, every_seconds: float | None) -> None:
        """Ready to begin.

        Args:
            arena: what is harmed.
            seed: decides which harm comes when.
            every_seconds: the mean time between two harms; None: there are none.
        """
        self._arena = arena
        self._dice = random.Random(f"harms {seed}")  # noqa: S311 a run must be repeatable
        self._every_seconds = every_seconds
        self._bag: list[str] = []
        self._down: dict[str, float] = {}
        self._paused: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self.dealt: Counter[str] = Counter()
        self.ended_unasked: list[str] = []
        self.last = "none yet"
        self.broken: Exception | None = None
        self.peaceful, self._end = Event(), Event()
        self._thread = Thread(target=self._run, name="harms", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what hindered this thread, if anything did."""
        if self.broken:
            raise self.broken

    def stop(self) -> None:
        """No more harm from now on; everything comes back."""
        self.peaceful.set()

    def _run(self) -> None:
        try:
            following = time.monotonic() + (self._wait() or 0.0)
            while not self._end.wait(_TURN_SECONDS):
                self._bring_back(time.monotonic())
                self._supervise()
                if self._every_seconds and not self.peaceful.is_set() and time.monotonic() >= following:
                    self._deal()
                    following = time.monotonic() + self._wait()
            self._bring_back(float("inf"))
        except Exception as error:  # noqa: BLE001 - told by the main thread
            self.broken = error

    def _wait(self) -> float:
        return self._dice.uniform(0.5, 1.5) * (self._every_seconds or 0.0)

    def _deal(self) -> None:
        if not self._bag:
            self._bag = [*_HARMS, *_OFTEN]
            self._dice.shuffle(self._bag)
        name = self._bag.pop()
        _HARMS[name](self)
        self.dealt[name] += 1
        self.last = name

    def _bring_back(self, now: float) -> None:
        over = float("inf") if self.peaceful.is_set() else now
        for name in [name for name, until in self._paused.items() if until <= over]:
            del self._paused[name]
            self._arena.processes[name].resume()
        for name in [name for name, until in self._down.items() if until <= over]:
            del self._down[name]
            self._start(name)

        for name in [name for name, until in self._leaving.items() if until <= now]:
            self._arena.processes[name].kill()

    def _supervise(self) -> None:
        for name, process in self._arena.processes.items():
            if process.running or name in self._down:
                continue
            if self._leaving.pop(name, None) is None:
                self.ended_unasked.append(
                    f"{name} ended with {process.exit_status}: {process.tail()[-2000:]}"
                )
            self._start(name)

    def _start(self, name: str) -> None:
        self._arena.processes[name].start()
        self._started[name] = time.monotonic()

    def _kill(self, name: str) -> None:
        self._paused.pop(name, None)
        self._leaving.pop(name, None)
        self._arena.processes[name].kill()
        self._down[name] = time.monotonic() + self._outage()

    def _outage(self) -> float:
        return self._dice.uniform(0, _LONGEST_OUTAGE_SECONDS)

    def _some_worker(self) -> str:
        return self._dice.choice(self._arena.workers)

    def kill_child(self) -> None:
        """One process of a pool dies with the task that it runs."""
        name = "worker-children"
        children = self._arena.processes[name].descendants()
        # Celery gives up, and leaves the rest to its supervisor, where a child dies before all are up.
        if children and time.monotonic() - self._started.get(name, 0) > _START_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(self._dice.choice(children), signal.SIGKILL)

    def kill_worker(self) -> None:
        """A worker dies, pool and all."""
        self._kill(self._some_worker())

    def stop_worker(self) -> None:
        """A worker is told to end, and does what it holds before."""
        name = self._some_worker()
        if self._paused.pop(name, None):
            self._arena.processes[name].resume()
        self._arena.processes[name].send(signal.SIGTERM)
        self._leaving[name] = time.monotonic() + _LAST_WORDS_SECONDS

    def pause_worker(self) -> None:
        """A worker sleeps past its lease, and wakes up in the belief that no time has passed."""
        name = self._some_worker()
        if self._arena.processes[name].running:
            self._arena.processes[name].pause()
            self._paused[name] = time.monotonic() + _PAST_ITS_LEASE_SECONDS

    def kill_beat(self) -> None:
        """Nothing is swept for a while."""
        self._kill("beat")

    def kill_webhook(self) -> None:
        """Stripe's webhooks reach nobody for a while."""
        self._kill("webhook")

    def kill_postgresql(self) -> None:
        """The server dies with all its backends, and recovers from its log."""
        self._arena.postgresql.kill()
        self._end.wait(self._outage())
        self._arena.postgresql.start()

    def kill_redis(self) -> None:
        """The server dies and comes back with what it had written down."""
        self._arena.valkey.kill()
        self._end.wait(self._outage())
        self._arena.valkey.start()

    def empty_redis(self) -> None:
        """The server dies and comes back with nothing: queues, unacknowledged messages and stream are gone."""
        self._arena.valkey.kill()
        shutil.rmtree(self._arena.valkey.data)
        self._end.wait(self._outage())
        self._arena.valkey.start()

    def pause_redis(self) -> None:
        """Connections stay open, and nothing answers for a moment."""
        self._arena.valkey.pause()
        self._end.wait(self._outage())
        self._arena.valkey.resume()

    def pause_postgresql(self) -> None:
        """The same with the database."""
        self._arena.postgresql.pause()
        self._end.wait(self._outage())
        self._arena.postgresql.resume()

    def read_only_postgresql(self) -> None:
        """The database takes no writes for a while, as a managed one does that is full or fails over."""
        self._arena.postgresql.set_read_only("payments", read_only=True)
        self._end.wait(self._outage())
        self._arena.postgresql.set_read_only("payments", read_only=False)


_HARMS: Final[Mapping[str, Callable[[Harms], None]]] = {
    "child killed": Harms.kill_child,
    "worker killed": Harms.kill_worker,
    "worker stopped": Harms.stop_worker,
    "worker paused": Harms.pause_worker,
    "beat killed": Harms.kill_beat,
    "webhook killed": Harms.kill_webhook,
    "PostgreSQL killed": Harms.kill_postgresql,
    "PostgreSQL paused": Harms.pause_postgresql,
    "PostgreSQL read-only": Harms.read_only_postgresql,
    "Redis killed": Harms.kill_redis,
    "Redis emptied": Harms.empty_redis,
    "Redis paused": Harms.pause_redis,
}
_OFTEN: Final = ("child killed", "child killed", "worker killed")
