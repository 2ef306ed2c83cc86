"""The SDK's HTTP client with a deadline for the whole call; a read timeout alone restarts with every byte."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from threading import Condition, Thread, local
from typing import Any, Final

import requests
import stripe
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_TIMEOUT_SECONDS: Final = 5.0

ROUNDS: Final = 20
"""The watch looks so often within a call's time. Rounds are counted and not seconds, for time that this process itself
was stopped says nothing of Stripe."""

MOST_CONNECTIONS: Final = 100
"""Kept open at once by one process, whose threads share them: more than a worker has threads."""


class _Call:
    """A call that is under way, and the line that it waits on."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.is_over = False
        self._line: socket.socket | None = None

    def use(self, line: socket.socket) -> None:
        """From now on it waits on this one. A copy is kept: what TLS wraps cannot be hung up by its old name."""
        copy = socket.socket(fileno=os.dup(line.fileno()))
        self.close()
        self._line = copy

    def hang_up(self) -> None:
        """End it: whoever waits on the line hears that it is dead."""
        self.is_over = True
        if self._line:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the line, which goes on."""
        if self._line:
            self._line.close()
            self._line = None


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
            made = _Call(self._round)
            self._calls.add(made)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()
        _current.call = made
        try:
            yield made
        finally:
            _current.call = None
            with self._changed:
                self._calls.discard(made)
                made.close()

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


def _watch(line: socket.socket | None) -> None:
    if _current.call and line is not None:
        _current.call.use(line)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        line = super()._new_conn()
        _watch(line)
        return line

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - urllib3's own, passed on
        _watch(self.sock)
        super().request(*args, **options)


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        line = super()._new_conn()
        _watch(line)
        return line

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as above
        _watch(self.sock)
        super().request(*args, **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    """requests' own, whose connections say what they wait on."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - requests' own
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:  # noqa: ANN401 - as above
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager


class DeadlineClient(stripe.RequestsClient):
    """The SDK's client, with one limit for connecting, sending and reading together."""

    def __init__(self, *, timeout_seconds: float) -> None:
        session = requests.Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(pool_maxsize=MOST_CONNECTIONS))
        super().__init__(
            timeout=(min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), timeout_seconds), session=session
        )
        self._watch = Watch(seconds=timeout_seconds)

    def request(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - the SDK's own, passed on
        """One call.

        Raises:
            stripe.APIConnectionError: it was not answered, or not in time.
        """
        with self._watch.call() as call:
            answer = super().request(*args, **options)
            if call.is_over:  # what was cut may look whole: a body may end with its connection
                raise stripe.APIConnectionError("not in time")  # type: ignore[no-untyped-call] # the SDK's
        return answer
