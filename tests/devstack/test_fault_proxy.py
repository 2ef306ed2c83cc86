"""The fault proxy does to connections what its methods say, and nothing else."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from payment_worker.devstack.waiting import wait_until
from tests.harness.fault_proxy import FaultProxy


class _Echo(StreamRequestHandler):
    heard: list[bytes]

    def handle(self) -> None:
        with suppress(ConnectionError):
            for line in self.rfile:
                self.heard.append(line)
                self.wfile.write(b"you said " + line)


@pytest.fixture
def heard() -> list[bytes]:
    return []


@pytest.fixture
def proxy(heard: list[bytes], fault_proxy: Callable[[str], FaultProxy]) -> Iterator[FaultProxy]:
    handler = type("Handler", (_Echo,), {"heard": heard})
    with ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fault_proxy(f"tcp://user:word@127.0.0.1:{server.server_address[1]}/path")
        server.shutdown()
        thread.join()


def _connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=2)


def _ask(connection: socket.socket, word: bytes = b"hello") -> bytes:
    connection.sendall(word + b"\n")
    return connection.recv(100)


def test_it_hands_on_what_is_said_both_ways(proxy: FaultProxy) -> None:
    with closing(_connect(proxy)) as connection:
        assert _ask(connection) == b"you said hello\n"


def test_its_url_is_the_servers_with_another_port(proxy: FaultProxy) -> None:
    assert proxy.url == f"tcp://user:word@127.0.0.1:{proxy.port}/path"


def test_it_refuses_connections_until_it_forwards_again(proxy: FaultProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.forward()
    with closing(_connect(proxy)) as connection:
        assert _ask(connection) == b"you said hello\n"


@pytest.mark.parametrize("fault", [FaultProxy.refuse, FaultProxy.reset, FaultProxy.cut])
def test_it_resets_connections_that_are_open(proxy: FaultProxy, fault: Callable[[FaultProxy], None]) -> None:
    with closing(_connect(proxy)) as connection:
        _ask(connection)
        fault(proxy)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_it_resets_new_connections_at_their_first_word(proxy: FaultProxy, heard: list[bytes]) -> None:
    proxy.reset()
    with closing(_connect(proxy)) as connection, pytest.raises(ConnectionResetError):
        _ask(connection)
    assert heard == []


def test_a_black_hole_swallows_everything_in_silence(proxy: FaultProxy, heard: list[bytes]) -> None:
    with closing(_connect(proxy)) as connection:
        proxy.blackhole()
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            _ask(connection)
    assert heard == []


def test_a_lost_response_is_one_whose_request_was_executed(proxy: FaultProxy, heard: list[bytes]) -> None:
    proxy.lose_answers(matching=b"money")
    with closing(_connect(proxy)) as connection:
        assert _ask(connection, b"weather") == b"you said weather\n"
        with pytest.raises(ConnectionResetError):
            _ask(connection, b"money")
    wait_until(lambda: proxy.answers_lost == 1)
    assert heard == [b"weather\n", b"money\n"]
    with closing(_connect(proxy)) as connection:
        assert _ask(connection, b"money") == b"you said money\n"


def test_a_delay_keeps_every_word(proxy: FaultProxy) -> None:
    proxy.delay(0.02)
    with closing(_connect(proxy)) as connection:
        assert _ask(connection) == b"you said hello\n"
