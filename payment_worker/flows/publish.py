"""Telling: drains the outbox to the stream, in the order in which it was written, at least once."""

from datetime import datetime
from typing import Final, Protocol

from payment_worker.flows.world import World
from payment_worker.store import outbox
from payment_worker.store.outbox import Message

BATCH: Final = 500
"""Messages in one transaction: what is told twice after a crash between Redis and PostgreSQL."""


class Appends(Protocol):
    """Where messages go."""

    def begin(self) -> None:
        """Note that publishing begins."""

    def append(self, messages: list[Message], /) -> None:
        """Add messages in order, all or none."""


def publish(world: World, stream: Appends) -> int:
    """Publish until nothing is left or somebody else publishes; how many were."""
    stream.begin()
    published = 0
    while count := _batch(world, stream):
        published += count
        if count < BATCH:
            break
    return published


def _batch(world: World, stream: Appends) -> int:
    now: datetime = world.clock()
    with world.database.begin() as connection:
        if not outbox.lock_publishing(connection):
            return 0
        messages = list(outbox.unpublished(connection, limit=BATCH))
        if messages:
            stream.append(messages)
            outbox.mark_published(connection, [message.position for message in messages], now=now)
    return len(messages)
