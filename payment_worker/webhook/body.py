"""Reads a request body with limits on its size and duration."""

import asyncio
from typing import Final

from starlette.requests import Request

MOST_BYTES: Final = 1_048_576
"""Far above the size of Stripe's events; the task `receive_stripe_event` has the same limit."""

SLOWEST_SECONDS: Final = 10
"""Stripe sends a few kilobytes at once. A slower client only occupies memory."""


class TooLargeError(Exception):
    """The body has more than `MOST_BYTES`, or says that it has."""


async def read(request: Request) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: nothing beyond the limit was read.
        TimeoutError: it did not come within `SLOWEST_SECONDS`.
        starlette.requests.ClientDisconnect: the sender is gone.
    """
    if int(request.headers.get("content-length", "0")) > MOST_BYTES:
        raise TooLargeError
    body = bytearray()
    async with asyncio.timeout(SLOWEST_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooLargeError
    return bytes(body)
