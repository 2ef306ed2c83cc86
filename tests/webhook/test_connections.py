"""Whoever holds a connection and says too little loses it, and takes the receiver from nobody else."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment
from payment_worker.devstack.waiting import wait_until
from tests.webhook.conftest import Receiver
from tests.webhook.sending import an_event, written

SLOWEST_SECONDS = 1
SLOWEST_FOR_US_SECONDS = 8
"""For what a test says in time itself: it may run on a machine that is busy."""
FILES = 128
PROGRAM = f"""
import resource
from payment_worker.webhook.server import serve
resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))
serve(host="{LOOPBACK}", port={{port}}, head_timeout_seconds={{head_timeout_seconds}})
"""
ASKING = b"GET /healthz HTTP/1.1\r\nHost: here\r\n"
ALIVE = b'{"alive":true}'
TALKERS = {
    "that says nothing": (b"", b""),
    "whose headers trickle": (ASKING, b"X"),
    "whose second headers trickle": (ASKING + b"\r\n" + ASKING, b"X"),
    "whose body trickles to somebody who does not read it": (
        ASKING + b"Content-Length: 100000\r\n\r\n",
        b"x",
    ),
    "who was refused and sends no more of the body": (
        b"POST /webhooks/stripe HTTP/1.1\r\nHost: here\r\nContent-Length: 2000000\r\n\r\n",
        b"",
    ),
    "whose body trickles on after it was refused": (
        b"POST /webhooks/stripe HTTP/1.1\r\nHost: here\r\nContent-Length: 2000000\r\n\r\n",
        b"x",
    ),
}


@pytest.fixture
def sender(environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    """A receiver with little patience, and few files to open."""
    port, head_timeout_seconds = free_port(), getattr(request, "param", SLOWEST_SECONDS)
    with Process(
        [sys.executable, "-c", PROGRAM.format(port=port, head_timeout_seconds=head_timeout_seconds)],
        log=tmp_path / "webhook.log",
        ready=lambda: answers(port),
        environ=clean_environment(environment),
        cwd=tmp_path,
    ).start() as process:
        yield Receiver(process.wait_ready(), port)


def _connected(sender: Receiver, said: bytes = b"") -> socket.socket:
    line = socket.create_connection((LOOPBACK, sender.port), timeout=10)
    line.sendall(said)
    return line


def _is_hung_up(line: socket.socket, trickle: bytes = b"") -> bool:
    """Whether the other side has closed it; if not, a little more is said."""
    line.settimeout(0.05)
    try:
        while line.recv(65_536):
            pass
    except TimeoutError:
        with suppress(ConnectionError):  # it is seen at the next look
            line.sendall(trickle)
        return False
    except ConnectionError:
        pass
    return True


def _is_served(sender: Receiver) -> bool:
    with suppress(ConnectionError):  # libuv hangs up at once on whoever comes while it has no file left
        return sender.get("/healthz").status == 200
    return False


def _answered(line: socket.socket) -> bytes:
    line.sendall(ASKING + b"\r\n")
    return _answer(line)


def _answer(line: socket.socket) -> bytes:
    """A whole one, in however many pieces it comes."""
    answer = b""
    while not answer.endswith(ALIVE) and (piece := line.recv(65_536)):
        answer += piece
    return answer


@pytest.mark.parametrize("kind", TALKERS)
def test_one_is_hung_up(sender: Receiver, kind: str) -> None:
    said, trickle = TALKERS[kind]
    with _connected(sender, said) as line:
        wait_until(lambda: _is_hung_up(line, trickle), seconds=30)


@pytest.mark.parametrize("sender", [SLOWEST_FOR_US_SECONDS], indirect=True)
def test_one_that_is_idle_between_two_requests_is_kept(sender: Receiver) -> None:
    late = ASKING + b"Content-Length: 4\r\n\r\n"
    with _connected(sender) as idle, _connected(sender, late) as late_body:
        assert _answered(idle).startswith(b"HTTP/1.1 200")
        assert _answer(late_body).startswith(b"HTTP/1.1 200")
        late_body.sendall(b"rest")
        with _connected(sender) as later:
            wait_until(lambda: _is_hung_up(later), seconds=30)
        assert _answered(idle).startswith(b"HTTP/1.1 200")
        assert _answered(late_body).startswith(b"HTTP/1.1 200")


def test_more_of_them_than_it_has_files_for_silence_it_for_a_moment_only(sender: Receiver) -> None:
    with ExitStack() as held:
        for _ in range(FILES + 32):
            held.enter_context(_connected(sender, ASKING))
        wait_until(lambda: _is_served(sender), seconds=30)
        assert sender.send(written(an_event())).status == 200


def test_many_large_bodies_without_end_are_refused_before_memory_is_short(sender: Receiver) -> None:
    head = b"POST /webhooks/stripe HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n"
    with ExitStack() as held:
        lines = [held.enter_context(_connected(sender, head + b"x" * 900_000)) for _ in range(45)]
        wait_until(lambda: any(map(_is_refused, lines)), seconds=30)
        assert sender.send(written(an_event())).status == 200
    assert sender.send(written(an_event(padding="x" * 900_000))).status == 200


def _is_refused(line: socket.socket) -> bool:
    line.settimeout(0.01)
    with suppress(TimeoutError):
        return line.recv(65_536).startswith(b"HTTP/1.1 503")
    return False


def test_a_head_without_end_is_refused(sender: Receiver) -> None:
    with _connected(sender, ASKING + b"X: " + b"a" * 70_000) as line:
        assert line.recv(65_536).startswith(b"HTTP/1.1 400")
        wait_until(lambda: _is_hung_up(line), seconds=30)
