"""Writes messages to the Redis stream `payment_worker.events`."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import redis

from payment_worker.contracts.envelope import MessageType, envelope
from payment_worker.redis.client import redis_client
from payment_worker.redis.outage import trouble
from payment_worker.store.outbox import OutboxMessage

TIMEOUT_SECONDS: Final = 5.0
BELL: Final = "payment_worker:publish"
"""A key that is there while a publisher has been called and has not begun."""

GATHERING_SECONDS: Final = 0.2
"""How long after the call a publisher begins at the earliest: one run publishes what all workers committed meanwhile;
one per charge would cost as much as a charge."""

CLOCKS_DIFFER_BY_SECONDS: Final = 0.05
"""So much earlier a worker on another machine may begin, whose clock is ahead."""

CALL: Final = """
if redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then
    return false
end
return redis.call('PTTL', KEYS[1])
"""
"""Sets the key; or returns how many milliseconds remain of the one that is there, which says when it was set."""

BEGIN: Final = "return redis.call('DEL', KEYS[1])"
"""A script for the sake of the connection that is kept for scripts."""

APPEND: Final = """
local function parts(id)
    local milliseconds, number = string.match(id, '(%d+)-(%d+)')
    return tonumber(milliseconds), tonumber(number)
end
if ARGV[1] ~= '' then
    if redis.call('EXISTS', KEYS[1]) == 0 then
        return false
    end
    local last
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for n = 1, #info, 2 do
        if info[n] == 'last-generated-id' then last = info[n + 1] end
    end
    local milliseconds, number = parts(last)
    local wanted, which = parts(ARGV[1])
    if milliseconds < wanted or (milliseconds == wanted and number < which) then
        return false
    end
end
local id = ARGV[1]
for n = 3, #ARGV do
    id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[n])
end
return id
"""
"""One script, so that Redis cannot lose its memory between the question and what is added.

A stream keeps the greatest id that it ever gave, whatever readers delete or trim; only a stream that is gone, or older,
has a lesser one. So entries that are missing are no loss: readers may delete what they have read.
"""


_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class StreamUnavailableError(Exception):
    """Redis cannot take messages now; they stay in the outbox."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The stream never had the entry that was added last: Redis has lost its memory, or the newest part of it."""


class Stream:
    """The stream, and the bell that calls its publisher."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        max_length: int,
        hint_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis_client(url, timeout_seconds=TIMEOUT_SECONDS)
        self._append = self._redis.register_script(APPEND)
        self._call = self._redis.register_script(CALL)
        self._begin = self._redis.register_script(BEGIN)
        self.name = name
        self.max_length = max_length
        self._hint_milliseconds = max(1, int(hint_seconds * 1000))
        self._monotonic = monotonic
        self._called_until = 0.0

    def append(self, messages: Sequence[OutboxMessage], *, after: str | None) -> str | Forgotten:
        """Add messages in this order, all or none, if the stream still has the entry that was added last.

        Args:
            messages: the messages to publish.
            after: the entry that was added last; None adds to whatever there is.

        Returns:
            The id of the last entry; or that nothing was added, because the stream has lost `after`.

        Raises:
            StreamUnavailableError: it is not known whether they were added.
        """
        envelopes = [_json(_envelope(message)) for message in messages]
        try:
            entry_id = self._append(keys=[self.name], args=[after or "", self.max_length, *envelopes])
        except redis.RedisError as error:
            raise StreamUnavailableError(str(trouble(error))) from None
        return Forgotten() if entry_id is None else str(entry_id.decode())

    def remembers(self, entry_id: str) -> bool:
        """Whether the stream had this entry, though a reader may have deleted it since.

        Raises:
            StreamUnavailableError: it cannot be known now.
        """
        return not isinstance(self.append((), after=entry_id), Forgotten)

    def last_message_id(self) -> UUID | None:
        """The id of the last message that the stream has; None where it is empty, or ends with none of ours.

        Raises:
            StreamUnavailableError: it cannot be known now.
        """
        try:
            entries = self._redis.xrevrange(self.name, count=1)
        except redis.RedisError as error:
            raise StreamUnavailableError(str(trouble(error))) from None
        try:
            return UUID(json.loads(entries[0][1][b"event"])["id"])
        except (IndexError, KeyError, TypeError, ValueError):
            return None

    def notify_relay(self) -> bool:
        """Whether the relay should be enqueued, in `GATHERING_SECONDS`: nobody has since its last run began.

        Redis is not asked again before that run can begin, whoever enqueued it: it publishes what is committed by then.
        """
        now = self._monotonic()
        if now < self._called_until:
            return False
        try:
            remaining = self._call(keys=[BELL], args=[self._hint_milliseconds])
        except redis.RedisError:
            return False  # beat's sweep will do
        age = 0 if remaining is None else max(self._hint_milliseconds - remaining, 0) / 1000
        self._called_until = now + GATHERING_SECONDS - CLOCKS_DIFFER_BY_SECONDS - age
        return remaining is None

    def begin(self) -> None:
        """Note that a publisher begins, so that whatever is committed from now on rings again."""
        try:
            self._begin(keys=[BELL])
        except redis.RedisError as error:
            raise StreamUnavailableError(str(trouble(error))) from None

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _envelope(message: OutboxMessage) -> dict[str, object]:
    return envelope(
        message_id=message.message_id,
        type=cast("MessageType", message.type),
        subject=message.subject,
        time=message.occurred_at,
        data=message.data,
    )
