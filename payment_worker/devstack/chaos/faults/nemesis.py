"""Kills, pauses and restarts processes and servers at random during a chaos run."""

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

from payment_worker.devstack.chaos.cluster import LEASE_SECONDS, Cluster

_TICK_SECONDS: Final = 0.2
_LONGEST_OUTAGE_SECONDS: Final = 3.0
_START_SECONDS: Final = 15.0
_SHUTDOWN_SECONDS: Final = 20.0
_BEYOND_LEASE_SECONDS: Final = LEASE_SECONDS + 2.0


class Nemesis:
    """Injects faults in a thread, and restarts what died, as a supervisor would.

    Each fault is injected once before any is injected again. After `stop` everything is restarted and stays up.
    """

    def __init__(self, cluster: Cluster, *, seed: int, every_seconds: float | None) -> None:
        """Prepare the thread; entering the context starts it.

        Args:
            cluster: the processes and servers.
            seed: decides which fault is injected when.
            every_seconds: the mean time between two faults; None: no faults.
        """
        self._cluster = cluster
        self._random = random.Random(f"nemesis {seed}")  # noqa: S311 a run must be repeatable
        self._every_seconds = every_seconds
        self._remaining: list[str] = []
        self._down: dict[str, float] = {}
        self._paused: dict[str, float] = {}
        self._terminating: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self.injected: Counter[str] = Counter()
        self.unexpected_exits: list[str] = []
        self.last = "none yet"
        self.error: Exception | None = None
        self._stopped, self._end = Event(), Event()
        self._thread = Thread(target=self._run, name="nemesis", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def check(self) -> None:
        """Raise the error that ended this thread, if one did."""
        if self.error:
            raise self.error

    def stop(self) -> None:
        """Inject no more faults, and restart everything that is down."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            next_at = time.monotonic() + (self._wait() or 0.0)
            while not self._end.wait(_TICK_SECONDS):
                self._recover(time.monotonic())
                self._supervise()
                if self._every_seconds and not self._stopped.is_set() and time.monotonic() >= next_at:
                    self._inject()
                    next_at = time.monotonic() + self._wait()
            self._recover(float("inf"))
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.error = error

    def _wait(self) -> float:
        return self._random.uniform(0.5, 1.5) * (self._every_seconds or 0.0)

    def _inject(self) -> None:
        if not self._remaining:
            self._remaining = [*_FAULTS, *_FREQUENT]
            self._random.shuffle(self._remaining)
        name = self._remaining.pop()
        _FAULTS[name](self)
        self.injected[name] += 1
        self.last = name

    def _recover(self, now: float) -> None:
        over = float("inf") if self._stopped.is_set() else now
        for name in [name for name, until in self._paused.items() if until <= over]:
            del self._paused[name]
            self._cluster.processes[name].resume()
        for name in [name for name, until in self._down.items() if until <= over]:
            del self._down[name]
            self._start(name)

        for name in [name for name, until in self._terminating.items() if until <= now]:
            self._cluster.processes[name].kill()

    def _supervise(self) -> None:
        for name, process in self._cluster.processes.items():
            if process.running or name in self._down:
                continue
            if self._terminating.pop(name, None) is None:
                self.unexpected_exits.append(
                    f"{name} ended with {process.exit_status}: {process.tail()[-2000:]}"
                )
            self._start(name)

    def _start(self, name: str) -> None:
        self._cluster.processes[name].start()
        self._started[name] = time.monotonic()

    def _kill(self, name: str) -> None:
        self._paused.pop(name, None)
        self._terminating.pop(name, None)
        self._cluster.processes[name].kill()
        self._down[name] = time.monotonic() + self._outage_seconds()

    def _outage_seconds(self) -> float:
        return self._random.uniform(0, _LONGEST_OUTAGE_SECONDS)

    def _random_worker(self) -> str:
        return self._random.choice(self._cluster.workers)

    def kill_child(self) -> None:
        """SIGKILL one child of the prefork pool, with the task that it runs."""
        name = "worker-children"
        children = self._cluster.processes[name].descendants()
        # A worker whose child dies before all children are up exits, and counts on its supervisor.
        if children and time.monotonic() - self._started.get(name, 0) > _START_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(children), signal.SIGKILL)

    def kill_worker(self) -> None:
        """SIGKILL a worker with its pool."""
        self._kill(self._random_worker())

    def stop_worker(self) -> None:
        """SIGTERM a worker: a warm shutdown that finishes the running tasks."""
        name = self._random_worker()
        if self._paused.pop(name, None):
            self._cluster.processes[name].resume()
        self._cluster.processes[name].send(signal.SIGTERM)
        self._terminating[name] = time.monotonic() + _SHUTDOWN_SECONDS

    def pause_worker(self) -> None:
        """SIGSTOP a worker until its leases have expired, then SIGCONT it."""
        name = self._random_worker()
        if self._cluster.processes[name].running:
            self._cluster.processes[name].pause()
            self._paused[name] = time.monotonic() + _BEYOND_LEASE_SECONDS

    def kill_beat(self) -> None:
        """SIGKILL beat: no sweep, poll or relay is enqueued until it is restarted."""
        self._kill("beat")

    def kill_webhook(self) -> None:
        """SIGKILL the webhook receiver: Stripe has to retry its deliveries."""
        self._kill("webhook")

    def kill_postgresql(self) -> None:
        """Kill PostgreSQL with all its backends; it recovers from its WAL."""
        self._cluster.postgresql.kill()
        self._end.wait(self._outage_seconds())
        self._cluster.postgresql.start()

    def kill_redis(self) -> None:
        """Kill Redis; it restarts with what its append-only file holds."""
        self._cluster.valkey.kill()
        self._end.wait(self._outage_seconds())
        self._cluster.valkey.start()

    def empty_redis(self) -> None:
        """Kill Redis and delete its data: queues, unacknowledged messages and the stream are lost."""
        self._cluster.valkey.kill()
        shutil.rmtree(self._cluster.valkey.data)
        self._end.wait(self._outage_seconds())
        self._cluster.valkey.start()

    def pause_redis(self) -> None:
        """SIGSTOP Redis for a moment: connections stay open and get no response."""
        self._cluster.valkey.pause()
        self._end.wait(self._outage_seconds())
        self._cluster.valkey.resume()

    def pause_postgresql(self) -> None:
        """SIGSTOP PostgreSQL for a moment: connections stay open and get no response."""
        self._cluster.postgresql.pause()
        self._end.wait(self._outage_seconds())
        self._cluster.postgresql.resume()

    def read_only_postgresql(self) -> None:
        """Make the database read-only for a while, as a managed one is while it is full or fails over."""
        self._cluster.postgresql.set_read_only("payments", read_only=True)
        self._end.wait(self._outage_seconds())
        self._cluster.postgresql.set_read_only("payments", read_only=False)


_FAULTS: Final[Mapping[str, Callable[[Nemesis], None]]] = {
    "child killed": Nemesis.kill_child,
    "worker killed": Nemesis.kill_worker,
    "worker stopped": Nemesis.stop_worker,
    "worker paused": Nemesis.pause_worker,
    "beat killed": Nemesis.kill_beat,
    "webhook killed": Nemesis.kill_webhook,
    "PostgreSQL killed": Nemesis.kill_postgresql,
    "PostgreSQL paused": Nemesis.pause_postgresql,
    "PostgreSQL read-only": Nemesis.read_only_postgresql,
    "Redis killed": Nemesis.kill_redis,
    "Redis emptied": Nemesis.empty_redis,
    "Redis paused": Nemesis.pause_redis,
}
_FREQUENT: Final = ("child killed", "child killed", "worker killed")
