"""How we tell: the Redis stream on which other apps read outcomes."""

import json
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

import redis

from payment_worker.contracts.messages import MessageType, envelope
from payment_worker.store.outbox import Message

TIMEOUT_SECONDS: Final = 5.0
BELL: Final = "payment_worker:publish"
"""A key that is there while a publisher has been called and has not begun."""


class StreamUnavailableError(Exception):
    """Redis cannot take messages now; they stay in the outbox."""


class Stream:
    """The stream, and the bell that calls its publisher."""

    def __init__(self, url: str, *, name: str, max_length: int, bell_seconds: float) -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._name = name
        self._max_length = max_length
        self._bell_milliseconds = max(1, int(bell_seconds * 1000))

    def append(self, messages: Sequence[Message]) -> None:
        """Add messages in this order, all or none.

        Raises:
            StreamUnavailableError: it is not known whether they were added.
        """
        try:
            pipeline = self._redis.pipeline(transaction=True)
            for message in messages:
                fields = {"event": json.dumps(_envelope(message), separators=(",", ":"))}
                pipeline.xadd(self._name, fields, maxlen=self._max_length, approximate=True)
            pipeline.execute()
        except redis.RedisError as error:
            raise StreamUnavailableError(type(error).__name__) from None

    def ring(self) -> bool:
        """Whether a publisher should be called: nobody did since the last one began."""
        try:
            return bool(self._redis.set(BELL, 1, nx=True, px=self._bell_milliseconds))
        except redis.RedisError:
            return False  # beat's sweep will do

    def begin(self) -> None:
        """Note that a publisher begins, so that whatever is committed from now on rings again."""
        try:
            self._redis.delete(BELL)
        except redis.RedisError as error:
            raise StreamUnavailableError(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _envelope(message: Message) -> dict[str, object]:
    return envelope(
        message_id=UUID(str(message.message_id)),
        type=cast("MessageType", message.type),
        payment_id=message.payment_id,
        time=message.occurred_at,
        data=message.data,
    )
