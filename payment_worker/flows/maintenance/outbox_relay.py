"""Publishes the outbox to the Redis stream, in order, at least once.

Theory of operation. The id of the last entry that was added is stored beside the outbox, and nothing is added to a
stream whose last id is less: Redis has then lost its data, or the newest part of it. Entries that consumers delete are
no loss. Messages that may be lost are marked as unpublished, and are published again in their order, before new ones.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from payment_worker.flows.context import Context
from payment_worker.redis.stream import Forgotten, Stream
from payment_worker.store import outbox
from payment_worker.store.connection.database import Connection
from payment_worker.telemetry import logger

log = logger(__name__)

BATCH: Final = 500
"""Messages in one transaction: so many are published twice after a crash between Redis and PostgreSQL."""

AGAIN_AT_ONCE: Final = 5000
"""Messages that one transaction marks as unpublished: far below the statement timeout."""

CLOCKS_DIFFER_BY: Final = timedelta(minutes=1)
"""How far the clocks of two relays may differ when determining what was published after a message."""


class RelayStop(Enum):
    """Why a batch published nothing, and what follows."""

    LEFT = auto()
    """Everything is published, or another process publishes."""
    YET = auto()
    """The stream had lost its memory, and what it lost is unpublished again."""


def publish(context: Context, stream: Stream, *, go_on: Callable[[], bool] = lambda: True) -> int:
    """Publish until nothing is left, another process publishes, or the time is up; returns how many.

    Args:
        go_on: called before each batch; the next run continues where this one ended.
    """
    stream.begin()
    published = 0
    while go_on() and (outcome := _batch(context, stream)) is not RelayStop.LEFT:
        if isinstance(outcome, int):
            published += outcome
            if outcome < BATCH:
                break
    return published


def replay(context: Context, *, since: datetime, until: datetime) -> int:
    """Have what occurred in a period published again, in order; how many messages it is."""
    count, last = 0, 0
    while True:
        with context.database.begin() as connection:
            positions = outbox.unpublish_occurred(
                connection, since=since, until=until, after=last, limit=AGAIN_AT_ONCE
            )
        if not positions:
            context.notify_relay()
            return count
        count, last = count + len(positions), positions[-1]


def _batch(context: Context, stream: Stream) -> int | RelayStop:
    now = context.clock()
    with context.database.begin() as connection:
        if not outbox.lock_publishing(connection):
            return RelayStop.LEFT
        known = outbox.remembered(connection, stream.name)
        if known and known.lost_since:
            _unpublish_lost(connection, stream, since=known.lost_since)
            return RelayStop.YET
        messages = outbox.unpublished(connection, limit=BATCH)
        last = known.last_entry_id if known else None
        if not messages and (last is None or stream.remembers(last)):
            return RelayStop.LEFT
        added = stream.append(messages, after=last) if messages else Forgotten()
        if isinstance(added, Forgotten):
            since = _lost_since(connection, stream, at_most=now - context.policy.republish_window)
            outbox.lose(connection, stream.name, since=since)
            log.warning("stream lost: messages are republished", stream=stream.name, since=since.isoformat())
            return RelayStop.YET
        outbox.mark_published(connection, [message.position for message in messages], now=now)
        outbox.remember(connection, stream.name, added, now=now)
    return len(messages)


def _lost_since(connection: Connection, stream: Stream, *, at_most: datetime) -> datetime:
    """When the oldest message was published that the stream may have lost."""
    message_id = stream.last_message_id()
    last = outbox.published_at(connection, message_id) if message_id else None
    full = outbox.oldest_of_newest(connection, count=stream.max_length)
    known = (at_most, last and last - CLOCKS_DIFFER_BY, full)
    return max(bound for bound in known if bound)


def _unpublish_lost(connection: Connection, stream: Stream, *, since: datetime) -> None:
    """Take for unpublished what the stream has lost. Until all of it is, nothing is added to the stream."""
    count = outbox.unpublish(connection, since=since, limit=AGAIN_AT_ONCE)
    if count < AGAIN_AT_ONCE:
        outbox.forget(connection, stream.name)
    log.info("messages republished", stream=stream.name, messages=count)
