"""The base class of our servers: a data directory, a port, and start, stop, kill and pause."""

import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from payment_worker.devstack.ports import free_port
from payment_worker.devstack.processes import Process, ProcessEndedError

_TRIES = 3


_MEMORY = Path("/dev/shm")  # noqa: S108 mkdtemp makes a private directory in it
# A server's write-ahead log alone may grow to one.
_ROOM_BYTES = 2 * 1024**3


class Server(ABC):
    """One server with one data directory, which it keeps over restarts, as it does its port."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, *, data: Path | None, port: int | None, volatile: bool = False) -> None:
        """Nothing is made or started yet, but a temporary directory.

        Args:
            data: the directory that keeps everything; a temporary one, deleted by `stop`, when not given.
            port: a free one is chosen when not given.
            volatile: whether a temporary directory may be in memory, where there is room.
        """
        self._temporary = data is None
        self.directory = data or _temporary_directory(type(self).__name__.lower(), volatile=volatile)
        self._port_chosen = port is None
        self.port = port or free_port()
        self._process: Process | None = None

    @abstractmethod
    def answers(self) -> bool:
        """Whether it answers right now."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make its data directory, unless there is one."""

    @abstractmethod
    def _described(self) -> Process:
        """The process to start."""

    @property
    def process(self) -> Process:
        """The process that was started last."""
        if self._process is None:
            raise RuntimeError("the server has not been started")
        return self._process

    @property
    def data(self) -> Path:
        """Where it keeps what it was told."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.directory / "log"

    def start(self, *, seconds: float = 30) -> Self:
        """Start it, and return once it answers."""
        self._prepare()
        for remaining in reversed(range(_TRIES)):
            self._process = self._described().start()
            try:
                self.process.wait_for(self.answers, what="answers", seconds=seconds)
            except ProcessEndedError:
                taken = "Address already in use" in self.process.output()
                if not (taken and self._port_chosen and remaining):
                    raise
                self.port = free_port()
            except BaseException:
                self.process.kill()
                raise
            else:
                break
        return self

    def stop(self, *, keep: bool = False) -> None:
        """Stop it orderly. A temporary data directory goes too, unless it is to be kept."""
        if self._process:
            self._process.stop(self.stop_signal)
        if self._temporary and not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self, *, empty: bool = False) -> Self:
        """Stop it as an administrator would, and start it again; `empty`: with everything forgotten."""
        self.stop(keep=True)
        if empty:
            shutil.rmtree(self.data)
        return self.start()

    def kill(self) -> None:
        """SIGKILL for every process of it. `start` brings it back with what it had written down."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze all of it: connections stay open, and nothing answers until `resume`."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.process.resume()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()


def _temporary_directory(name: str, *, volatile: bool) -> Path:
    in_memory = volatile and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix=f"payment-worker-{name}-", dir=_MEMORY if in_memory else None))
