"""Prometheus counters in multiprocess mode: every child process writes, one process serves them.

With prefork each child writes to memory-mapped files of its own, which survive it. They are named after the child's
index in the pool, not after its process id: a new child continues the files of the one before, so that their number
does not grow, and no count is lost with a child.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
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
        self._collectors: dict[Metric, Any] = {metric: _new_collector(metric, registry) for metric in METRICS}
        self._child = cache(self._find_child)

    def add(self, metric: Metric, labels: tuple[str, ...], by: float, /) -> None:
        """Add to a counter."""
        self._child(metric, labels).inc(by)

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float, /) -> None:
        """Note a duration."""
        self._child(metric, labels).observe(seconds)

    def _find_child(self, metric: Metric, labels: tuple[str, ...]) -> Any:  # noqa: ANN401 - Counter or Histogram
        collector = self._collectors[metric]
        return collector.labels(*labels) if labels else collector


def count_here() -> Collector:
    """Make this process and its children count from now on; the collector that is returned serves all counts.

    Called before the first child is created. A scrape reads files and takes no lock that a child could inherit.
    """
    directory = tempfile.mkdtemp(prefix="payment-worker-metrics-")
    os.environ[FILES] = directory
    atexit.register(_remove_directory, directory, owner_pid=os.getpid())
    values.ValueClass = values.MultiProcessValue(_process_name)  # type: ignore[no-untyped-call] # half of it is typed
    begin(Counters(CollectorRegistry()))
    return MultiProcessCollector(None, directory)  # type: ignore[no-untyped-call] # likewise


def _process_name() -> str:
    """Which files are this process's: a child's place in the pool, or `main`."""
    return str(getattr(current_process(), "index", "main"))


def _remove_directory(directory: str, *, owner_pid: int) -> None:
    if os.getpid() == owner_pid:
        shutil.rmtree(directory, ignore_errors=True)


def _new_collector(metric: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    names = tuple(metric.labels)
    if metric.buckets_seconds:
        return Histogram(metric.name, metric.means, names, registry=registry, buckets=metric.buckets_seconds)
    counter = Counter(metric.name, metric.means, names, registry=registry)
    for labels in product(*metric.labels.values()) if names else ():
        counter.labels(*labels)
    return counter
