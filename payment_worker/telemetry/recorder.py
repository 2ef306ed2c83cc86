"""The interface through which code records metrics, independent of Prometheus.

Without monitoring nothing is counted: `payment_worker.monitoring` installs the recorder.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import local
from types import MappingProxyType
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One thing that is counted. Its labels hold kinds and codes, never anything of a customer, a key or an id."""

    name: str
    means: str
    labels: Mapping[str, Collection[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Each label with all values that it can have, so that each count is there from the start, as 0; with none where
    they are not known before: then a count is there once something was counted."""
    buckets_seconds: tuple[float, ...] = ()
    """For a duration: the histogram's upper bounds."""


class Recorder(Protocol):
    """Where counts go."""

    def add(self, metric: Metric, labels: tuple[str, ...], by: float, /) -> None:
        """Add to a counter."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float, /) -> None:
        """Note a duration."""


_recorder: Recorder | None = None


def begin(recorder: Recorder | None) -> None:
    """Have everything that this process counts from now on go there; without one nothing is counted."""
    global _recorder  # noqa: PLW0603 - there is one for each process, like its log
    _recorder = recorder


Count = tuple[Metric, tuple[str, ...], float]


class _Held(local):
    """The counts of this thread's open transaction, if it has one."""

    counts: list[Count] | None = None


_held = _Held()


@contextmanager
def counted_on_success() -> Iterator[None]:
    """What is counted in the block counts at its end, unless that is an exception: then nothing of it happened."""
    counts: list[Count] = []
    outer, _held.counts = _held.counts, counts
    try:
        yield
    finally:
        _held.counts = outer
    for metric, labels, by in counts:
        count(metric, *labels, by=by)


def count(metric: Metric, *labels: str, by: float = 1) -> None:
    """Count it, under these values of its labels in their order."""
    if _held.counts is not None:
        _held.counts.append((metric, labels, by))
    elif _recorder:
        _recorder.add(metric, labels, by)


def observe(metric: Metric, *labels: str, seconds: float) -> None:
    """Note how long it took, under these values of its labels in their order."""
    if _recorder:
        _recorder.observe(metric, labels, seconds)
