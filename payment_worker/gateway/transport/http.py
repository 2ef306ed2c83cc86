"""The SDK's HTTP client with a deadline for the whole call; a read timeout alone restarts with every byte."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Condition, Thread, local
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import stripe
import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import create_urllib3_context

from payment_worker.telemetry import spans

CONNECT_TIMEOUT_SECONDS: Final = 5.0

ROUNDS: Final = 20
"""The watch looks so often within a call's time. Rounds are counted and not seconds, for time that this process itself
was stopped says nothing of Stripe."""

MOST_CONNECTIONS: Final = 100
"""Kept open at once by one process, whose threads share them: more than a worker has threads."""

ACCEPTED: Final = MappingProxyType({"Accept": "*/*", "Accept-Encoding": "gzip, deflate"})


class _Call:
    """A call that is under way, and the socket that it waits on."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.is_over = False
        self._sock: socket.socket | None = None

    def use(self, sock: socket.socket) -> None:
        """From now on it waits on this one. A copy is kept: what TLS wraps cannot be hung up by its old name."""
        copy = socket.socket(fileno=os.dup(sock.fileno()))
        self.close()
        self._sock = copy

    def hang_up(self) -> None:
        """End it: whoever waits on the socket hears that it is dead."""
        self.is_over = True
        if self._sock:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket, which stays open."""
        if self._sock:
            self._sock.close()
            self._sock = None


class _Current(local):
    """The call of each thread."""

    call: _Call | None = None


_current = _Current()


class Watch:
    """Hangs up on calls that take longer than they may, in a thread of its own."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds_a_round = seconds / ROUNDS
        self._round = 0
        self._calls: set[_Call] = set()
        self._changed = Condition()
        self._thread: Thread | None = None

    @contextmanager
    def call(self) -> Iterator[_Call]:
        """The block is one call of this thread's."""
        with self._changed:
            call = _Call(self._round)
            self._calls.add(call)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()
        _current.call = call
        try:
            yield call
        finally:
            _current.call = None
            with self._changed:
                self._calls.discard(call)
                call.close()

    def _run(self) -> None:
        idle = Condition()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls)
            with idle:
                idle.wait(self._seconds_a_round)
            with self._changed:
                self._round += 1
                for each in self._calls:
                    if self._round - each.began > ROUNDS:
                        each.hang_up()


def _watch(sock: socket.socket | None) -> None:
    if _current.call and sock is not None:
        _current.call.use(sock)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        _watch(sock)
        return sock

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - urllib3's own, passed on
        _watch(self.sock)
        super().request(*args, **options)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class DeadlineClient(stripe.HTTPClient):
    """The SDK's client over urllib3 alone, with one limit for connecting, sending and reading together.

    The SDK's own goes through `requests`, which costs more than connection, TLS and answer together. Nothing is
    followed: a redirect would make a GET of a POST.
    """

    name = "urllib3"

    def __init__(self, base: str, *, timeout_seconds: float) -> None:
        super().__init__()
        self._manager = _manager(base)
        self._timeout = urllib3.Timeout(
            connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), read=timeout_seconds
        )
        self._watch = Watch(seconds=timeout_seconds)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,  # noqa: ANN401 - the SDK's signature
        **_: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise: it tells of text where its own clients return bytes
        """One call.

        Raises:
            stripe.APIConnectionError: it was not answered, or not in time.
        """
        with self._watch.call() as call, spans.call(method.upper(), url) as record_status:
            response = self._send(method.upper(), url, headers or {}, post_data)
            if call.is_over:  # what was cut may look whole: a body may end with its connection
                raise _unanswered("not in time")
            record_status(response.status)
        return response.data, response.status, response.headers

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: str | bytes | None
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._manager.urlopen(
                method,
                url,
                body=body,
                headers={**ACCEPTED, **headers},
                timeout=self._timeout,
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _unanswered(type(error).__name__) from error

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._manager.clear()


def _unanswered(reason: str) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(reason)  # type: ignore[no-untyped-call] # the SDK's


def _manager(base: str) -> urllib3.PoolManager:
    """What keeps the connections, by way of the proxy that the environment names."""
    address = urlsplit(base)
    proxies, host = getproxies(), address.hostname or ""
    proxy = None if proxy_bypass(host) else proxies.get(address.scheme) or proxies.get("all")
    # One for all connections: without it each makes its own and reads the certificates into it, 0.1 MB.
    tls = create_urllib3_context()
    tls.load_verify_locations(stripe.ca_bundle_path)
    pool_options: Any = {"maxsize": MOST_CONNECTIONS, "cert_reqs": "CERT_REQUIRED", "ssl_context": tls}
    manager = _proxied(proxy, pool_options) if proxy else urllib3.PoolManager(**pool_options)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return manager


def _proxied(proxy: str, pool_options: Any) -> urllib3.ProxyManager:  # noqa: ANN401 - urllib3's own arguments
    address = proxy if "://" in proxy else f"http://{proxy}"
    url = urlsplit(address)
    user = f"{unquote(url.username)}:{unquote(url.password or '')}" if url.username else None
    headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
    return urllib3.ProxyManager(
        address, proxy_headers=headers, proxy_ssl_context=pool_options["ssl_context"], **pool_options
    )
