"""The interface through which code opens trace spans, independent of OpenTelemetry.

A process where nobody traces makes none. `payment_worker.monitoring.tracing` begins it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

NoteStatus = Callable[[int], None]
"""Takes the status of the answer."""


class Tracer(Protocol):
    """Where spans go."""

    def call(self, method: str, url: str, /) -> AbstractContextManager[NoteStatus]:
        """The block is one call."""


_tracer: Tracer | None = None


def begin(tracer: Tracer) -> None:
    """Have every call that this process makes from now on go there."""
    global _tracer  # noqa: PLW0603 - there is one for each process, like its log
    _tracer = tracer


def call(method: str, url: str) -> AbstractContextManager[NoteStatus]:
    """The block is one call, whose answer's status is noted by what this yields."""
    return _tracer.call(method, url) if _tracer else nullcontext(lambda _: None)
