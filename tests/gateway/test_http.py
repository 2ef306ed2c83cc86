"""Calls to Stripe over libcurl: nothing is followed, proxies are used, and an error says that nobody answered."""

import gzip
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import stripe

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.gateway.transport.http import DeadlineClient

ELSEWHERE = "/elsewhere"
CERTIFICATE = Path(__file__).with_name("loopback.pem")


class Server(ThreadingHTTPServer):
    """Redirects a POST, answers a GET compressed, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.asked: list[tuple[str, str, Message, bytes]] = []
        self.url = f"http://{LOOPBACK}:{self.server_address[1]}"
        Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"id":"pi_1"}'))

    def do_POST(self) -> None:
        self._answer(302, {"Location": ELSEWHERE}, b"")

    def do_CONNECT(self) -> None:
        self._answer(502, {}, b"")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, self.headers, asked))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as listening:
        yield listening


@pytest.fixture
def tls_server(server: Server) -> Server:
    """The same over TLS, with a certificate that only `CERTIFICATE` vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.url = server.url.replace("http:", "https:")
    return server


def test_a_redirect_of_a_post_is_not_followed(server: Server) -> None:
    client = DeadlineClient(timeout_seconds=5)

    _, status, headers = client.request("post", f"{server.url}/v1/refunds", {"Idempotency-Key": "k"}, "a=1")

    assert (status, headers["location"]) == (302, ELSEWHERE)
    ((method, path, sent, body),) = server.asked
    assert (method, path, sent["Idempotency-Key"], body) == ("POST", "/v1/refunds", "k", b"a=1")


def test_a_compressed_answer_is_read(server: Server) -> None:
    client = DeadlineClient(timeout_seconds=5)

    content, status, _ = client.request("get", f"{server.url}/v1/payment_intents/pi_1", {})

    assert (content, status) == (b'{"id":"pi_1"}', 200)
    assert "gzip" in server.asked[0][2]["Accept-Encoding"]


def test_the_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.url.replace("http://", "http://user:p%40ss@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    client = DeadlineClient(timeout_seconds=5)

    with pytest.raises(stripe.APIConnectionError):
        client.request("get", "https://stripe.invalid/v1/account", {})

    ((method, host, headers, _),) = server.asked
    assert (method, host) == ("CONNECT", "stripe.invalid:443")
    assert b64decode(headers["Proxy-Authorization"].removeprefix("Basic ")) == b"user:p@ss"


def test_a_host_that_needs_no_proxy_is_reached_without(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", LOOPBACK)

    assert DeadlineClient(timeout_seconds=5).request("get", server.url, {})[1] == 200


def test_a_header_of_two_lines_is_not_sent(server: Server) -> None:
    client = DeadlineClient(timeout_seconds=5)

    with pytest.raises(stripe.APIConnectionError):
        client.request("post", f"{server.url}/v1/refunds", {"Idempotency-Key": "of\ntwo lines"}, "a=1")

    assert not server.asked


def test_a_server_that_is_not_there_is_reported_as_no_answer() -> None:
    client = DeadlineClient(timeout_seconds=5)

    with pytest.raises(stripe.APIConnectionError):
        client.request("post", f"http://{LOOPBACK}:1/v1/refunds", {"Idempotency-Key": "k"}, "a=1")


def test_a_certificate_that_no_authority_of_stripes_signed_is_refused(tls_server: Server) -> None:
    client = DeadlineClient(timeout_seconds=5)

    with pytest.raises(stripe.APIConnectionError, match="certificate"):
        client.request("get", tls_server.url, {})

    assert tls_server.asked == []


def test_a_certificate_that_one_of_them_signed_is_accepted(
    tls_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "ca_bundle_path", str(CERTIFICATE))

    assert DeadlineClient(timeout_seconds=5).request("get", tls_server.url, {})[1] == 200
