"""Runs `payment-worker` many times for the price of one start: a process that has imported it forks for each run.

Each run is a process of its own, with its own arguments, environment, directory, streams and exit status, as a shell
would start it. Only the second of imports before it is shared.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NoReturn, Self

from payment_worker.devstack.programs import clean_environment

_IMPORTED: Final = (
    "payment_worker.cli.app",
    "payment_worker.bootstrap",
    "payment_worker.celery",
    "payment_worker.cli.doctor.report",
    "payment_worker.cli.views.timeline",
    "payment_worker.flows.timeline",
    "payment_worker.webhook.server",
    "rich.table",
)


class ForkedProgram:
    """A process that forks one `payment-worker` a call."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        self._socket = ours
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.forked_program", str(its.fileno())],
            pass_fds=[its.fileno()],
            env=clean_environment({}),
        )
        its.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._server.wait(timeout=30)

    def run(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], directory: Path, answer: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, at most for a minute."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(answer.encode())
            given.seek(0)
            message = json.dumps([list(arguments), dict(environment), str(directory)]).encode()
            self._socket.settimeout(60)
            socket.send_fds(
                self._socket, [len(message).to_bytes(4, "big")], [given.fileno(), out.fileno(), err.fileno()]
            )
            self._socket.sendall(message)
            status = int.from_bytes(self._socket.recv(1), "big")
            return subprocess.CompletedProcess(list(arguments), status, _text(out), _text(err))


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def _serve(requests: socket.socket) -> None:
    for name in _IMPORTED:
        __import__(name)
    while True:
        head, streams, _, _ = socket.recv_fds(requests, 4, 3)
        if not head:
            return
        arguments, environment, directory = json.loads(_exactly(requests, int.from_bytes(head, "big")))
        child = os.fork()
        if child == 0:
            _become(arguments, environment, directory, streams)
        for stream in streams:
            os.close(stream)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        requests.sendall((status if status >= 0 else 128 - status).to_bytes(1, "big"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        parts += connection.recv(size - len(parts))
    return bytes(parts)


def _become(
    arguments: Sequence[str], environment: Mapping[str, str], directory: str, streams: Sequence[int]
) -> NoReturn:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["payment-worker", *arguments]
    from payment_worker.cli import main  # noqa: PLC0415 - once its environment is the one given

    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _requests:
        _serve(_requests)
