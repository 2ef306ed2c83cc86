"""Reads request bodies with limits on their size and duration, and on what all of them hold together."""

import asyncio
from typing import Final

from starlette.requests import Request

MOST_BYTES: Final = 1_048_576
"""Far above the size of Stripe's events; the task `receive_stripe_event` has the same limit."""

SLOWEST_SECONDS: Final = 10
"""Stripe sends a few kilobytes at once. A slower client only occupies memory."""

MOST_HELD_BYTES: Final = 33_554_432
"""Whoever is not known yet may open thousands of connections, and send a large part of a body through each."""

SMALL_BYTES: Final = 16_384
"""Nearly all events are smaller: they are read however much is held."""


class TooLargeError(Exception):
    """The body has more than `MOST_BYTES`, or says that it has."""


class CrowdedError(Exception):
    """All bodies that are being read have more than `MOST_HELD_BYTES`, and this one is not small."""


class Bodies:
    """The bodies that are being read."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The whole body.

        Raises:
            TooLargeError: nothing beyond the limit was read.
            CrowdedError: likewise.
            TimeoutError: it did not come within `SLOWEST_SECONDS`.
            starlette.requests.ClientDisconnect: the sender is gone.
        """
        if int(request.headers.get("content-length", "0")) > MOST_BYTES:
            raise TooLargeError
        body = bytearray()
        try:
            async with asyncio.timeout(SLOWEST_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    self._held += len(chunk)
                    if len(body) > MOST_BYTES:
                        raise TooLargeError
                    if self._held > MOST_HELD_BYTES and len(body) > SMALL_BYTES:
                        raise CrowdedError
            return bytes(body)
        finally:
            self._held -= len(body)
