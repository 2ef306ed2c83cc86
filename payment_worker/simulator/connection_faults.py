"""Resets or cuts client connections: an HTTP protocol for uvicorn that can be broken on purpose."""

import asyncio
import socket
import struct
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINGER_ZERO = struct.pack("ii", 1, 0)
"""Closing at once with nothing left to send makes the kernel say RST."""


class BreakableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, remembered by its peer so that the application can break it."""

    open: ClassVar[dict[tuple[str, int], asyncio.Transport]] = {}
    gone: ClassVar[dict[tuple[str, int], asyncio.Event]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection, and let small writes leave at once: headers and body are two."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.client is not None:
            self.open[self.client] = transport
            self.gone[self.client] = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        if self.client is not None:
            self.open.pop(self.client, None)
            gone = self.gone.pop(self.client, None)
            if gone is not None:
                gone.set()


async def reset(scope: dict[str, Any]) -> None:
    """Break the request's connection with a RST."""
    transport = BreakableProtocol.open.get(tuple(scope["client"]))
    if transport is not None:
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    await _until_gone(scope)


async def hang_up(scope: dict[str, Any]) -> None:
    """Close the request's connection once what was written has left."""
    transport = BreakableProtocol.open.get(tuple(scope["client"]))
    if transport is not None:
        transport.close()
    await _until_gone(scope)


async def _until_gone(scope: dict[str, Any]) -> None:
    # Only when uvicorn has heard of the loss may the application return without a response.
    gone = BreakableProtocol.gone.get(tuple(scope["client"]))
    if gone is not None:
        await gone.wait()
