"""Starts child processes with a log file and a readiness check, and ends them with their parent."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, Protocol, Self, TypeVar

from payment_worker.devstack import guardian
from payment_worker.devstack.waiting import DeadlineMissedError, wait_until

Ready = TypeVar("Ready")
Identity = Literal["same", "namespace", "nobody"]
_GUARDIAN = (sys.executable, "-I", "-S", guardian.__file__)
_TAIL_LINES = 30


class Guardian(Protocol):
    """What is wanted of a `subprocess.Popen`."""

    stdin: IO[bytes] | None

    def poll(self) -> int | None:
        """Its exit status, once it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; raises `subprocess.TimeoutExpired`."""


class ProcessEndedError(Exception):
    """A process ended before it was ready. The message holds the last lines of its log."""


class Process:
    """One program under a guardian (see `guardian`), started and stopped as often as one likes.

    Its standard output and error are appended to the file `log`. Signals go to the program itself; `kill`,
    `pause` and `resume` act on everything that it has started too.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready: str | Path | Callable[[], bool] = "",
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        identity: Identity = "same",
        last_signal: signal.Signals = signal.SIGKILL,
        remove: Path | None = None,
    ) -> None:
        """Describe the process; nothing starts yet.

        Args:
            command: the program and its arguments.
            log: where its output goes.
            ready: how one sees that it is ready: its output matches, a file is there, or a condition holds.
            environ: its whole environment; ours when not given.
            cwd: where it runs.
            identity: `same` as ours, or, for programs that refuse root, in a user `namespace` or as `nobody`.
            last_signal: what it is sent when we have died; SIGKILL follows two seconds later.
            remove: a directory to delete when we have died without stopping it.
        """
        self.command = tuple(str(part) for part in command)
        self.log = log
        self._ready = ready
        self._environ = None if environ is None else dict(environ)
        self._cwd = cwd
        self._guardian_arguments = [f"--identity={identity}", f"--last-signal={int(last_signal)}"]
        self._guardian_arguments += [f"--remove={remove}"] if remove else []
        self.launch: Callable[..., Guardian] = subprocess.Popen
        self._guardian: Guardian | None = None
        self._log_start = 0
        self.pid = 0
        self.exit_status: int | None = None

    def start(self) -> Self:
        """Start it. Returns as soon as it runs, not when it is ready."""
        if self.running:
            raise RuntimeError(f"{self.command[0]} runs already")
        read_end, write_end = os.pipe()
        if isinstance(self._ready, Path):
            # A killed predecessor has left it.
            self._ready.unlink(missing_ok=True)
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [*_GUARDIAN, *self._guardian_arguments, f"--pid-to={write_end}", "--", *self.command]
        with self.log.open("ab") as log, contextlib.ExitStack() as pipe:
            pipe.callback(os.close, read_end)
            try:
                self._guardian = self.launch(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=self._environ,
                    cwd=self._cwd,
                    pass_fds=(write_end,),
                    start_new_session=True,
                )
            finally:
                os.close(write_end)
            line = os.read(read_end, 32)
        self.exit_status = None
        if not line:
            # Signals to a pid of 0 would reach ourselves.
            self._collect()
            raise ProcessEndedError(f"{self.command[0]} has no guardian\n{self.tail()}")
        self.pid = int(line)
        return self

    def wait_ready(self, *, seconds: float = 60) -> Self:
        """Wait until it is ready; if that does not come, leave nothing of it behind.

        Raises:
            ProcessEndedError: it ended first.
            DeadlineMissedError: neither happened in time.
        """
        try:
            self.wait_for(self._is_ready, seconds=seconds)
        except BaseException:
            self.kill()
            raise
        return self

    def _is_ready(self) -> bool:
        match self._ready:
            case str(pattern):
                return re.search(pattern, self.output()) is not None
            case Path() as file:
                return file.exists()
            case condition:
                return condition()

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        if self._guardian is None or self._guardian.poll() is None:
            return self._guardian is not None
        self._collect()
        return False

    def wait(self, seconds: float = 30) -> int:
        """Wait until it ends by itself, and return its exit status (128 + number for a signal).

        Raises:
            DeadlineMissedError: it still runs after so many seconds.
        """
        if self._guardian is not None:
            try:
                self._guardian.wait(seconds)
            except subprocess.TimeoutExpired:
                raise DeadlineMissedError(
                    f"{self.command[0]} still runs after {seconds} s\n{self.tail()}"
                ) from None
            self._collect()
        return self.exit_status or 0

    def _collect(self) -> None:
        if self._guardian is not None:
            self.exit_status = self._guardian.wait()
            if self._guardian.stdin is not None:
                self._guardian.stdin.close()
            self._guardian = None

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal, unless it has ended."""
        if self.running:
            _signal(self.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 30) -> int:
        """Ask it to end, and wait for that; kill it when the time is up. Returns its exit status."""
        self.send(number)
        try:
            return self.wait(seconds)
        except DeadlineMissedError:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL for it and for everything it has started, at once."""
        self._send_to_all(signal.SIGKILL)
        return self.wait()

    def pause(self) -> None:
        """Freeze it and all it has started (SIGSTOP): connections stay open, and nothing answers."""
        self._send_to_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._send_to_all(signal.SIGCONT)

    def _send_to_all(self, number: signal.Signals) -> None:
        for pid in (self.pid, *self.descendants()) if self.running else ():
            _signal(pid, number)

    def descendants(self) -> list[int]:
        """The ids of all processes that it, and they in turn, have started and that still run."""
        return descendants(self.pid) if self.running else []

    def output(self) -> str:
        """What it has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def tail(self) -> str:
        """The last lines it has written."""
        return "\n".join(self.output().splitlines()[-_TAIL_LINES:])

    def wait_for_output(self, pattern: str, *, seconds: float = 30) -> re.Match[str]:
        """Wait until it has written something that matches, and return the match.

        Raises:
            ProcessEndedError: it ended first.
            DeadlineMissedError: neither happened in time.
        """
        found = self.wait_for(
            lambda: re.search(pattern, self.output()), what=f"output {pattern!r}", seconds=seconds
        )
        if found is None:  # wait_for returns nothing false
            raise AssertionError
        return found

    def wait_for(self, condition: Callable[[], Ready], *, what: str = "ready", seconds: float = 30) -> Ready:
        """Wait until the condition holds, or fail early because the process has ended.

        Raises:
            ProcessEndedError: it ended first.
            DeadlineMissedError: neither happened in time.
        """

        def ready_or_ended() -> Ready:
            value = condition()
            if not value and not self.running:
                raise ProcessEndedError(
                    f"{' '.join(self.command)} ended with {self.exit_status}\n{self.tail()}"
                )
            return value

        try:
            return wait_until(ready_or_ended, seconds=seconds, what=f"{' '.join(self.command)} {what}")
        except DeadlineMissedError as error:
            raise DeadlineMissedError(f"{error}\n{self.tail()}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _signal(pid: int, number: signal.Signals) -> None:
    # It may have ended between being listed and being signalled.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """The ids of all processes that this one, and they in turn, have started and that still run."""
    children: dict[int, list[int]] = {}
    for child, parent in guardian.parents():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]
