"""Sends events to a webhook receiver as Stripe does: signed, over several connections at once."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from payment_worker.devstack.ports import LOOPBACK

WEBHOOK_SECRET: Final = "whsec_bench"  # noqa: S105 of a receiver that lives as long as the benchmark
CONNECTIONS: Final = 16


def request(event: Mapping[str, Any]) -> bytes:
    """The request that Stripe sends for an event."""
    body, at = json.dumps(event).encode(), int(time.time())
    signature = hmac.new(WEBHOOK_SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: t={at},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def deliver(requests: Sequence[bytes], *, port: int) -> None:
    """Send these requests; each must be acknowledged.

    Raises:
        RuntimeError: one was not.
    """
    asyncio.run(_deliver(list(reversed(requests)), port=port))


async def _deliver(waiting: list[bytes], *, port: int) -> None:
    async with asyncio.TaskGroup() as connections:
        for _ in range(CONNECTIONS):
            connections.create_task(_one_connection(waiting, port=port))


async def _one_connection(waiting: list[bytes], *, port: int) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    while waiting:
        writer.write(waiting.pop())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
    writer.close()
