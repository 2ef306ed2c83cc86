"""A small HTTP/1.1 client for deliveries that keeps connections open."""

import asyncio
import ssl
from collections import defaultdict
from urllib.parse import urlsplit

NO_RESPONSE = 0
_IDLE_LIMIT = 32

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Where = tuple[str, int, bool]


class HttpClient:
    """Posts bodies and remembers idle connections by host and port."""

    def __init__(self) -> None:
        self._idle: dict[_Where, list[_Streams]] = defaultdict(list)

    async def post(self, url: str, body: bytes, headers: dict[str, str], *, timeout_seconds: float) -> int:
        """The status of the response; NO_RESPONSE when none came in time or no connection was to be had."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        where = (parts.hostname or "", parts.port or (443 if secure else 80), secure)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join((*lines, "", "")).encode() + body
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._exchange(where, request)
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
            return NO_RESPONSE

    def close(self) -> None:
        """Let all idle connections go."""
        for streams in self._idle.values():
            for _, writer in streams:
                writer.close()
        self._idle.clear()

    async def _exchange(self, where: _Where, request: bytes) -> int:
        while self._idle[where]:
            streams = self._idle[where].pop()
            if streams[0].at_eof() or streams[1].is_closing():
                streams[1].close()
                continue
            try:
                return await self._send(where, streams, request)
            except (OSError, EOFError):
                break  # the server had closed the idle connection: once more on a new one
        host, port, secure = where
        context = ssl.create_default_context() if secure else None
        return await self._send(where, await asyncio.open_connection(host, port, ssl=context), request)

    async def _send(self, where: _Where, streams: _Streams, request: bytes) -> int:
        reader, writer = streams
        reusable = False
        try:
            writer.write(request)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            length = fields.get("content-length", "")
            if length.isdecimal():
                await reader.readexactly(int(length))
                reusable = fields.get("connection", "").lower() != "close"
            return int(head[0].split(" ")[1])
        finally:
            if reusable and len(self._idle[where]) < _IDLE_LIMIT:
                self._idle[where].append(streams)
            else:
                writer.close()
