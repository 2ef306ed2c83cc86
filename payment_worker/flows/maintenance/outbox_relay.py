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

    NOTHING_TO_DO = auto()
    """Everything is published, or another process publishes."""
    REPUBLISHING = auto()
    """Redis has lost entries of the stream; their messages are marked as unpublished again."""


def publish(context: Context, stream: Stream, *, has_time: Callable[[], bool] = lambda: True) -> int:
    """Publish until nothing is left, another process publishes, or the time is up; returns how many.

    Args:
        has_time: called before each batch; the next run continues where this one ended.
    """
    stream.begin()
    published = 0
    while has_time() and (outcome := _publish_batch(context, stream)) is not RelayStop.NOTHING_TO_DO:
        if isinstance(outcome, int):
            published += outcome
            if outcome < BATCH:
                break
    return published


def replay(context: Context, *, since: datetime, until: datetime) -> int:
    """Have what occurred in a period published again, in order; how many messages it is."""
    count, last_position = 0, 0
    while True:
        with context.database.begin() as connection:
            positions = outbox.unpublish_occurred(
                connection, since=since, until=until, after=last_position, limit=AGAIN_AT_ONCE
            )
        if not positions:
            context.notify_relay()
            return count
        count, last_position = count + len(positions), positions[-1]


def _publish_batch(context: Context, stream: Stream) -> int | RelayStop:
    now = context.clock()
    with context.database.begin() as connection:
        if not outbox.lock_publishing(connection):
            return RelayStop.NOTHING_TO_DO
        stream_state = outbox.remembered(connection, stream.name)
        if stream_state and stream_state.lost_since:
            _unpublish_lost(connection, stream, since=stream_state.lost_since)
            return RelayStop.REPUBLISHING
        messages = outbox.unpublished(connection, limit=BATCH)
        last_entry_id = stream_state.last_entry_id if stream_state else None
        if not messages and (last_entry_id is None or stream.remembers(last_entry_id)):
            return RelayStop.NOTHING_TO_DO
        appended = stream.append(messages, after=last_entry_id) if messages else Forgotten()
        if isinstance(appended, Forgotten):
            since = _lost_since(connection, stream, earliest=now - context.policy.republish_window)
            outbox.lose(connection, stream.name, since=since)
            log.warning("stream lost: messages are republished", stream=stream.name, since=since.isoformat())
            return RelayStop.REPUBLISHING
        positions = [message.position for message in messages]
        outbox.mark_published(connection, positions, stream=stream.name, entry_id=appended, now=now)
    return len(messages)


def _lost_since(connection: Connection, stream: Stream, *, earliest: datetime) -> datetime:
    """When the oldest message was published that the stream may have lost."""
    message_id = stream.last_message_id()
    last_published_at = outbox.published_at(connection, message_id) if message_id else None
    oldest_kept_at = outbox.oldest_of_newest(connection, count=stream.max_length)
    bounds = (earliest, last_published_at and last_published_at - CLOCKS_DIFFER_BY, oldest_kept_at)
    return max(bound for bound in bounds if bound)


def _unpublish_lost(connection: Connection, stream: Stream, *, since: datetime) -> None:
    """Take for unpublished what the stream has lost. Until all of it is, nothing is added to the stream."""
    count = outbox.unpublish(connection, since=since, limit=AGAIN_AT_ONCE)
    if count < AGAIN_AT_ONCE:
        outbox.forget(connection, stream.name)
    log.info("messages republished", stream=stream.name, messages=count)
