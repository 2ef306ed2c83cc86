"""A call to Stripe ends when its time is over, however slowly the answer trickles in: headers, body or handshake."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Event, Thread

import pytest
import stripe

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.gateway.transport.http import DeadlineClient, deadline

TIMEOUT_SECONDS = 1.0
DRIP_SECONDS = 0.1
DRIPS = 60
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\nConnection: close\r\n\r\n"
)
LONG_HEAD = b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 400
ENDLESS_BODY = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
TLS_RECORD = b"\x16\x03\x03\x40\x00"

TRICKLES = {
    "headers": (b"", LONG_HEAD, "http"),
    "body": (HEAD, b"x" * 400, "http"),
    "body without an end": (ENDLESS_BODY, b"x" * 400, "http"),
    "handshake": (b"", TLS_RECORD + b"\0" * 400, "https"),
}


class Trickle:
    """A server that answers at once with some bytes, and with the others one by one."""

    def __init__(self, at_once: bytes, one_by_one: bytes) -> None:
        self._answer = (at_once, one_by_one)
        self._over = Event()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._drip, args=[connection], daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        at_once, one_by_one = self._answer
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(at_once)
            for byte in one_by_one[:DRIPS]:
                if self._over.wait(DRIP_SECONDS):
                    return
                connection.sendall(bytes([byte]))


@pytest.fixture(params=TRICKLES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    at_once, one_by_one, scheme = TRICKLES[request.param]
    with closing(Trickle(at_once, one_by_one)) as server:
        yield f"{scheme}://{LOOPBACK}:{server.port}/v1/charges"


def test_a_call_ends_in_time_and_is_unanswered(url: str) -> None:
    client = DeadlineClient(timeout_seconds=TIMEOUT_SECONDS)
    began = time.monotonic()

    with pytest.raises(stripe.APIConnectionError):
        client.request("post", url, {}, b"amount=1")

    # Far less than the 6 s that the answer takes to trickle in, and room for a machine that is busy.
    assert time.monotonic() - began < TIMEOUT_SECONDS + 2


def test_each_call_has_its_own_time_on_a_connection_that_stays() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    pause = Event()

    def serve(listener: socket.socket) -> None:  # one connection, and no other
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                while connection.recv(65_536):
                    pause.wait(0.3)
                    connection.sendall(answer)

    with socket.create_server((LOOPBACK, 0)) as listener:
        server = Thread(target=serve, args=[listener], daemon=True)
        server.start()
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/v1/charges"
        client = DeadlineClient(timeout_seconds=TIMEOUT_SECONDS)
        for _ in range(6):
            content, status, _ = client.request("get", address, {})
            assert (content, status) == (b"{}", 200)
        client.close()
        server.join()


def test_a_post_is_sent_once_if_its_kept_connection_ends_without_an_answer() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    while content := connection.recv(65_536):
                        asked.append(content)
                        if len(asked) == 2:
                            break
                        connection.sendall(answer)

    with socket.create_server((LOOPBACK, 0)) as listener:
        Thread(target=serve, args=[listener], daemon=True).start()
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/v1/refunds"
        client = DeadlineClient(timeout_seconds=5)
        client.request("post", url, {}, "amount=1")
        with pytest.raises(stripe.APIConnectionError):
            client.request("post", url, {}, "amount=2")
        client.request("post", url, {}, "amount=3")
        client.close()
    assert [each[-8:] for each in asked] == [b"amount=1", b"amount=2", b"amount=3"]


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    instants = iter([0.0, 0.5, 60.0, 60.4, 60.6])
    is_over = deadline(2.0, clock=lambda: next(instants))

    assert [is_over() for _ in range(4)] == [False, False, False, True]
