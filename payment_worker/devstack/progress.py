"""Prints progress steps and messages of the demo and of `make dev`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

# A log file has no edge; 80 columns, the default there, would break every line.
_LOG_WIDTH = 140


class Step:
    """One thing under way; `detail` is shown beside it once it is done."""

    detail = ""


class Screen:
    """A terminal, or a log file: there the same lines appear without colours and motion."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _LOG_WIDTH

    def title(self, text: str) -> None:
        """Begin a part."""
        self.console.print()
        self.console.rule(f"[bold]{escape(text)}", align="left", style="dim")

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """Show that something is under way, then that it is done and how long it took."""
        step, began = Step(), time.monotonic()
        try:
            with self.console.status(f"{escape(text)} …", spinner="dots"):
                yield step
        except BaseException:
            self.console.print(f" [bold red]✗[/] {escape(text)}")
            raise
        self._done(text, step.detail, time.monotonic() - began)

    def _done(self, text: str, detail: str, seconds: float) -> None:
        self.console.print(f" [bold green]✓[/] {escape(text):<33} [dim]{seconds:5.1f} s[/]  {escape(detail)}")

    def line(self, text: str) -> None:
        """Say something that is meant to be copied: it is not broken into lines."""
        self.console.print(f"   {escape(text)}" if text else "", soft_wrap=True)

    def note(self, text: str) -> None:
        """Say something in passing."""
        self.console.print(f"   [dim]{escape(text)}[/]")

    def fault(self, text: str) -> None:
        """Say what went wrong."""
        self.console.print(f"[bold red]{escape(text)}[/]")
