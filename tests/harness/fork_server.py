"""Starts Python programs of ours without a second of imports each: a process that has imported them forks.

What it forks is a process of its own, with its own arguments, environment, directory and streams, and may be killed,
paused and waited for like one that a shell started. Only the imports before it are shared.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final, NoReturn

from payment_worker.devstack import guardian
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment

CELERY: Final = (
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "payment_worker.broker.transport",
    "payment_worker.broker.consumer",
)
"""What a worker of any application imports."""
PROGRAMS: Final = (
    *CELERY,
    "payment_worker.cli.app",
    "payment_worker.cli.doctor.report",
    "payment_worker.console.server",
    "payment_worker.cli.views.timeline",
    "payment_worker.flows.timeline",
    "payment_worker.tasks",
    "payment_worker.webhook.server",
    "rich.table",
)
"""What our programs import: none of it reads the environment for that."""
_KILLED: Final = 137


class ForkServer:
    """The process that has imported everything. Any thread may ask it."""

    def __init__(self, imported: Sequence[str]) -> None:
        self._socket, its = socket.socketpair()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.fork_server", str(its.fileno()), *imported],
            pass_fds=[its.fileno()],
            env=clean_environment({}),
        )
        its.close()
        self._asking = Lock()

    def close(self) -> None:
        """End it. What it has forked ends with whoever asked for it."""
        self._socket.close()
        self._server.wait(timeout=30)

    def run(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], directory: Path, answer: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `payment-worker` to its end, at most for a minute."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(answer.encode())
            given.seek(0)
            command = ["payment-worker", "-m", "payment_worker", *arguments]
            streams = [given.fileno(), out.fileno(), err.fileno()]
            status = Forked(self._fork("program", command, environment, directory, streams)).wait(60)
            return subprocess.CompletedProcess(command, status, _text(out), _text(err))

    def start_guardian(
        self,
        command: Sequence[str],
        *,
        stdin: int,  # noqa: ARG002 - always a pipe
        stdout: IO[bytes],
        stderr: IO[bytes],
        env: Mapping[str, str] | None,
        cwd: Path | None,
        pass_fds: Sequence[int],
        start_new_session: bool,  # noqa: ARG002 - always
    ) -> "Forked":
        """What `subprocess.Popen` does for a guardian (see `devstack.processes`) of a `python -m` program."""
        read_end, write_end = os.pipe()
        arguments = [
            each for each in command[command.index(guardian.__file__) + 1 :] if "--pid-to" not in each
        ]
        streams = [read_end, stdout.fileno(), stderr.fileno(), *pass_fds]
        try:
            ended = self._fork("guardian", arguments, env or os.environ, cwd or Path.cwd(), streams)
        finally:
            os.close(read_end)
        return Forked(ended, stdin=os.fdopen(write_end, "wb"))

    def _fork(
        self,
        what: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        streams: Sequence[int],
    ) -> int:
        read_end, write_end = os.pipe()
        message = json.dumps([what, list(arguments), dict(environment), str(directory)]).encode()
        with self._asking:
            socket.send_fds(self._socket, [len(message).to_bytes(4, "big")], [write_end, *streams])
            self._socket.sendall(message)
        os.close(write_end)
        return read_end


@cache
def fork_server(imported: tuple[str, ...] = PROGRAMS) -> ForkServer:
    """This test process's own, started when it is first wanted."""
    server = ForkServer(imported)
    atexit.register(server.close)
    return server


def forked(process: Process, imported: tuple[str, ...] = PROGRAMS) -> Process:
    """The same process, to be forked when it is started: for `python -m` programs that read no Python setting."""
    process.launch = fork_server(imported).start_guardian
    return process


class Forked:
    """What `subprocess.Popen` is to its caller: `poll`, `wait` and `stdin`."""

    def __init__(self, ended: int, *, stdin: IO[bytes] | None = None) -> None:
        self._ended = os.fdopen(ended, "rb", buffering=0)
        self._status: int | None = None
        self.stdin = stdin

    def poll(self) -> int | None:
        """Its exit status, once it has one."""
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        status = self._read(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("a forked program", timeout or 0)
        return status

    def _read(self, timeout: float | None) -> int | None:
        if self._status is None and select.select([self._ended], [], [], timeout)[0]:
            told = self._ended.read(1)
            self._ended.close()
            self._status = told[0] if told else _KILLED
        return self._status


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def _serve(requests: socket.socket, imported: Sequence[str]) -> None:
    for name in imported:
        importlib.import_module(name)
    gc.freeze()
    # Nobody here waits for them: each tells its own exit status.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        head, descriptors, _, _ = socket.recv_fds(requests, 4, 5)
        if not head:
            return
        request = json.loads(_exactly(requests, int.from_bytes(head, "big")))
        if os.fork() == 0:
            requests.close()
            _become(request, descriptors)
        for each in descriptors:
            os.close(each)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        parts += connection.recv(size - len(parts))
    return bytes(parts)


def _become(request: Sequence[Any], descriptors: Sequence[int]) -> NoReturn:
    """Be that process, say with what status it ended, and end."""
    what, arguments, environment, directory = request
    ended, *streams = descriptors
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, stream in enumerate(streams[:3]):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        if what == "guardian":
            status = guardian.main([f"--pid-to={streams[3]}", *arguments], execute=partial(_execute, ended))
        elif child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        else:
            _run(arguments)
    finally:
        os.write(ended, (status if status >= 0 else 128 - status).to_bytes(1, "big"))
        os._exit(0)


def _execute(ended: int, _: str, command: list[str]) -> NoReturn:
    os.close(ended)
    _run(command)


def _run(command: list[str]) -> NoReturn:
    """What `python -m MODULE ARGUMENTS` does once Python has started."""
    _, _, module, *arguments = command
    sys.argv = [module, *arguments]
    status: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - what Python itself does with it
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _requests:
        _serve(_requests, sys.argv[2:])
