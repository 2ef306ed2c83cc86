"""Prometheus counters in multiprocess mode: every child process writes, one process serves them.

With prefork each child writes to memory-mapped files of its own, which survive it. They are named after the child's
index in the pool, not after its process id: a new child continues the files of the one before, so that their number
does not grow, and no count is lost with a child.
"""

import atexit
import os
import shutil
import tempfile
from itertools import product
from typing import Any, Final

from billiard.process import current_process
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from payment_worker.telemetry.metrics import METRICS
from payment_worker.telemetry.recorder import Metric, begin

FILES: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client expects the directory's name."""


class Counters:
    """Counts of this process, as prometheus-client keeps them. A `Recorder`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._made: dict[Metric, Any] = {what: _made(what, registry) for what in METRICS}

    def add(self, what: Metric, labels: tuple[str, ...], by: float, /) -> None:
        """Add to a counter."""
        self._of(what, labels).inc(by)

    def observe(self, what: Metric, labels: tuple[str, ...], seconds: float, /) -> None:
        """Note a duration."""
        self._of(what, labels).observe(seconds)

    def _of(self, what: Metric, labels: tuple[str, ...]) -> Any:  # noqa: ANN401 - Counter or Histogram
        made = self._made[what]
        return made.labels(*labels) if labels else made


def count_here() -> Collector:
    """Make this process and its children count from now on; the collector that is returned serves all counts.

    Called before the first child is created. A scrape reads files and takes no lock that a child could inherit.
    """
    directory = tempfile.mkdtemp(prefix="payment-worker-metrics-")
    os.environ[FILES] = directory
    atexit.register(_remove, directory, owner=os.getpid())
    values.ValueClass = values.MultiProcessValue(_place)  # type: ignore[no-untyped-call] # half of it is typed
    begin(Counters(CollectorRegistry()))
    return MultiProcessCollector(None, directory)  # type: ignore[no-untyped-call] # likewise


def _place() -> str:
    """Which files are this process's: a child's place in the pool, or `main`."""
    return str(getattr(current_process(), "index", "main"))


def _remove(directory: str, *, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def _made(what: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    names = tuple(what.labels)
    if what.buckets_seconds:
        return Histogram(what.name, what.means, names, registry=registry, buckets=what.buckets_seconds)
    counter = Counter(what.name, what.means, names, registry=registry)
    for labels in product(*what.labels.values()) if names else ():
        counter.labels(*labels)
    return counter
