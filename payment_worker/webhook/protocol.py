"""Uvicorn's HTTP protocol with a deadline for the request and a limit for its head, so that no stranger holds us up."""

import asyncio
from typing import ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from payment_worker.webhook.one_write import OneWrite

SLOWEST_SECONDS: Final = 10.0
"""Proxies send a request's head in one piece. uvicorn itself waits for it without limit (seen with uvicorn 0.54)."""

MOST_HEAD_BYTES: Final = 65_536
"""Eight times what proxies let through. httptools itself takes any number (seen with httptools 0.9)."""


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a limit for whoever is neither idle between two requests nor waits for our answer.

    That is: who has connected and asked nothing, who trickles headers, and who goes on with a body after its answer.
    A body that is being read has its limit in `body`, an idle connection that of uvicorn's `timeout_keep_alive`.
    """

    head_timeout_seconds: ClassVar[float] = SLOWEST_SECONDS
    _limit: asyncio.TimerHandle | None = None
    _is_within_request = False
    _is_within_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request is waited for from now on."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport)))
        self._begin_limit()

    def data_received(self, data: bytes) -> None:
        """Look what is still owed after this."""
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._is_within_head else 0
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request header fields too large.")
        self._update_limit()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._is_within_request = self._is_within_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The last byte of its head."""
        self._is_within_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        self._is_within_request = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Nobody here is at work for it any more: look what is still owed, if anything is."""
        super().on_response_complete()
        if self._is_within_request:
            self._update_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        super().connection_lost(exc)
        self._cancel_limit()

    def _update_limit(self) -> None:
        if self.transport.is_closing() or (self.cycle and not self.cycle.response_complete):
            self._cancel_limit()
        elif not self._is_within_request:
            self._cancel_limit()
            # uvicorn forgets it where the rest of a body came after the answer.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self._begin_limit()

    def _begin_limit(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(self.head_timeout_seconds, self.timeout_keep_alive_handler)

    def _cancel_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


def with_deadline(seconds: float) -> type[DeadlineProtocol]:
    """The same with another limit."""
    return type("Hurried", (DeadlineProtocol,), {"head_timeout_seconds": seconds})
