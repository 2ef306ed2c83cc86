"""Prints a chaos run's progress: a live status line on a terminal, a line every few seconds in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.status import Status

_LOG_WIDTH: Final = 200
_LOG_EVERY_SECONDS: Final = 5.0


class Progress:
    """Console output of a run."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _LOG_WIDTH
        self._began = time.monotonic()
        self._logged = 0.0
        self._status: Status | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the status line while this context lasts."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("…") as self._status:
            yield

    def line(self, text: str) -> None:
        """Replace the status line."""
        stamped = f"[dim]{self.seconds:4.0f} s[/]  {escape(text)}"
        if self._status:
            self._status.update(stamped)
        elif self.seconds - self._logged >= _LOG_EVERY_SECONDS:
            self._logged = self.seconds
            self.console.print(stamped, soft_wrap=True)

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line that stays."""
        self.console.print(escape(text), style=style or None, soft_wrap=True)
