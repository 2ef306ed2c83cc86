"""The live line of a run: one that moves on a terminal, a new one now and then in a log."""

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
    """What a person sees."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _LOG_WIDTH
        self._began = time.monotonic()
        self._logged = 0.0
        self._status: Status | None = None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    @contextmanager
    def live(self) -> Iterator[None]:
        """While this lasts, `line` may be called as often as one likes."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("…") as self._status:
            yield

    def line(self, text: str) -> None:
        """How things stand now."""
        stamped = f"[dim]{self.seconds:4.0f} s[/]  {escape(text)}"
        if self._status:
            self._status.update(stamped)
        elif self.seconds - self._logged >= _LOG_EVERY_SECONDS:
            self._logged = self.seconds
            self.console.print(stamped, soft_wrap=True)

    def say(self, text: str, *, style: str = "") -> None:
        """A line that stays."""
        self.console.print(escape(text), style=style or None, soft_wrap=True)
