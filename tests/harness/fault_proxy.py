"""A TCP proxy that misbehaves on command: what a network does, without root and without luck."""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

_LOOPBACK = "127.0.0.1"
_CHUNK = 65_536
# Closing a socket that lingers for no time sends RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class _Behaviour:
    name: str = "forward"
    delay_seconds: float = 0
    matching: bytes = b""


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    answer_is_lost: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def reset(self) -> None:
        for writer in filter(None, (self.client, self.server)):
            raw: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()


class FaultProxy:
    """Stands before one server, on a port of its own that it keeps. Any thread may call its methods.

    `forward` ends every fault. Faults act on connections that are open already, too.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"no host and port in {url}")
        self._target = (parts.hostname, parts.port)
        self._behaviour = _Behaviour()
        self._losses = 0
        self.answers_lost = 0
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._run(self._listen())
        credentials = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc="".join((*credentials[:2], f"{_LOOPBACK}:{self.port}"))))

    def forward(self) -> None:
        """Behave: hand everything on, at once."""
        self._run(self._set(_Behaviour()))

    def delay(self, seconds: float) -> None:
        """Hand everything on so much later, each way."""
        self._run(self._set(_Behaviour(delay_seconds=seconds)))

    def refuse(self) -> None:
        """Refuse new connections, and reset those that are open: nobody listens."""
        self._run(self._set(_Behaviour(name="refuse")))

    def reset(self) -> None:
        """Accept new connections and reset them at their first word; those that are open are reset now."""
        self._run(self._set(_Behaviour(name="reset")))

    def cut(self) -> None:
        """Reset the connections that are open now, once. New ones are treated as before."""
        self._run(self._cut())

    def blackhole(self) -> None:
        """Swallow everything in silence: connections stay open, and nothing comes through either way."""
        self._run(self._set(_Behaviour(name="blackhole")))

    def lose_answers(self, *, matching: bytes = b"", times: int = 1) -> None:
        """Let requests through that hold these bytes, and reset the connection when the answer comes."""
        self._losses = times
        self._run(self._set(_Behaviour(name="lose", matching=matching)))

    def close(self) -> None:
        """Stop for good."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, _LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, behaviour: _Behaviour) -> None:
        self._behaviour = behaviour
        if behaviour.name in {"refuse", "reset"}:
            await self._cut()
        if behaviour.name != "refuse":
            await self._listen()
        elif self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    async def _close(self) -> None:
        await self._set(_Behaviour(name="refuse"))
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*pending, return_exceptions=True)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        connection = _Connection(client)
        self._connections.add(connection)
        try:
            with suppress(OSError, asyncio.CancelledError):
                server_reader, connection.server = await asyncio.open_connection(*self._target)
                connection.tasks = [
                    asyncio.create_task(self._requests(connection, client_reader, connection.server)),
                    asyncio.create_task(self._answers(connection, server_reader)),
                ]
                await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            for task in connection.tasks:
                task.cancel()
            for writer in filter(None, (client, connection.server)):
                writer.close()

    async def _requests(
        self, connection: _Connection, reader: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            match self._behaviour.name:
                case "reset":
                    connection.reset()
                    return
                case "lose" if self._losses and self._behaviour.matching in chunk:
                    self._losses -= 1
                    connection.answer_is_lost = True
            await self._hand_on(chunk, server)

    async def _answers(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(_CHUNK):
            if connection.answer_is_lost:
                self.answers_lost += 1
                connection.reset()
                return
            await self._hand_on(chunk, connection.client)

    async def _hand_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        if self._behaviour.name == "blackhole":
            return
        if self._behaviour.delay_seconds:
            await asyncio.sleep(self._behaviour.delay_seconds)
        writer.write(chunk)
        await writer.drain()
