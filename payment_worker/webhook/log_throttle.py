"""Limits log lines that strangers can cause to one of a kind in ten seconds, without a traceback."""

import logging
import time
from collections.abc import Callable
from typing import Final

from payment_worker.telemetry.exceptions import described

SECONDS: Final = 10.0
"""Requests must not be able to fill the disk with log lines; the metrics count every request."""

_KINDS: Final = 100
"""The texts are the server's own and few; if one ever held what was sent, all others are one kind together."""


class LogThrottle:
    """Decides whether a log line of some kind may be written now, and counts those left out."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: dict[str, float] = {}
        self._unwritten: dict[str, int] = {}

    def pass_one(self, kind: str) -> int | None:
        """How many of this kind were left out since the last one; None if this one is left out, too."""
        if kind not in self._written and len(self._written) >= _KINDS:
            kind = ""
        now = self._clock()
        if now - self._written.get(kind, -SECONDS) < SECONDS:
            self._unwritten[kind] = self._unwritten.get(kind, 0) + 1
            return None
        self._written[kind] = now
        return self._unwritten.pop(kind, 0)


class ThrottleFilter(logging.Filter):
    """Makes each line of the HTTP server's one line, and leaves most of the same kind out."""

    def __init__(self) -> None:
        super().__init__()
        self._throttle = LogThrottle()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        text = record.getMessage().strip()
        if record.exc_info and record.exc_info[1]:
            text = f"{text}: {described(record.exc_info[1])}"
        omitted = self._throttle.pass_one(text)
        if omitted is None:
            return False
        record.msg, record.args = f"{text} ({omitted} more before)" if omitted else text, ()
        record.exc_info = record.exc_text = None
        return True
