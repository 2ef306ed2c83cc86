"""kombu's QoS, with its faults fixed: takes messages from Redis, keeps those not acknowledged, acknowledges them.

Seen with kombu 5.7.0 and redis-py 8.1; each cure names its test, and can go when that passes without it.
"""

import contextlib
import json
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from time import time
from typing import Any, Final

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps
from redis import Redis
from redis.exceptions import RedisError

from payment_worker.broker.envelope import envelope
from payment_worker.redis.scripts import Script, ScriptRunner

logger = logging.getLogger(__name__)

# The header that counts how often a message came back without having been finished.
REDELIVERIES = "redeliveries"

_MONEY = "charges"


# KEYS: the index by time, the messages, queues. ARGV: now, how many more messages to take, the largest.
_TAKING = """
local function take(queue)
    local taken = {}
    local address = ', "", "' .. string.match(queue, '^[^\6]*') .. '"]'
    while #taken < tonumber(ARGV[2]) do
        local item = redis.call('LRANGE', queue, -1, -1)[1]
        if not item or #item > tonumber(ARGV[3]) then
            break
        end
        local is_json, message = pcall(cjson.decode, item)
        local properties = is_json and type(message) == 'table' and message['properties']
        local tag = type(properties) == 'table' and properties['delivery_tag']
        if type(tag) ~= 'string' or not string.find(tag, '^[!-~]+$') then
            break
        end
        redis.call('ZADD', KEYS[1], ARGV[1], tag)
        redis.call('HSET', KEYS[2], tag, '[' .. item .. address)
        redis.call('RPOP', queue)
        taken[#taken + 1] = {tag, item}
    end
    return taken
end
local function forget(first)
    if #ARGV >= first then
        redis.call('ZREM', KEYS[1], unpack(ARGV, first))
        redis.call('HDEL', KEYS[2], unpack(ARGV, first))
    end
end
"""
"""A message is popped once it is stored: what is large, or no JSON object with a tag, is left to BRPOP."""
# First what needs no memory: a full Redis executes it, and then the rest, too.
_NOTE = Script(
    _TAKING
    + """
forget(6)
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
local taken = take(KEYS[3])
return {KEYS[3], redis.call('LLEN', KEYS[3]), taken}
"""
)
_TAKE = Script(
    _TAKING
    + """
forget(4)
for n = 3, #KEYS do
    if redis.call('LLEN', KEYS[n]) > 0 then
        local taken = take(KEYS[n])
        return {KEYS[n], redis.call('LLEN', KEYS[n]), taken}
    end
end
return {'', 0, {}}
"""
)
_FORGET = Script("redis.call('ZREM', KEYS[1], unpack(ARGV)) redis.call('HDEL', KEYS[2], unpack(ARGV))")

MOST_ACKNOWLEDGED_TOGETHER: Final = 100
"""A Redis script takes some thousands of arguments."""

MOST_TAKEN_TOGETHER: Final = 8
"""Messages that follow another out of its queue at once: few, so that a burst is shared by the workers."""

MAX_TAKEN_BYTES: Final = 64 * 1024
"""Redis parses what is taken, for which it needs up to 40 times the memory, and executes nothing else meanwhile. Our
messages have a few hundred bytes."""


class QoS(kombu_redis.QoS):
    """The messages that were delivered and not acknowledged, of which some may be left with Redis."""

    returning = False
    acknowledges_later = False
    """Whether somebody calls `acknowledge_all` now and then."""
    takes_at_once = False
    """Whether messages that wait are taken as soon as one slot is free, rather than when BRPOP has popped one.

    With threads, more slots become free while BRPOP's answer is awaited, and more messages come together."""

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:  # noqa: ANN401 kombu has no types
        super().__init__(channel, prefetch_count)  # type: ignore[no-untyped-call] # kombu has no types
        self._acknowledged: deque[str] = deque()
        self._scripts: ScriptRunner | None = None

    def leave(self, delivery_tag: str) -> None:
        """Let go of a message without giving it back: Redis keeps it until the visibility timeout.

        It holds no slot here any more, is not put back when the channel closes, and can still be acknowledged.
        """
        self._quick_ack(delivery_tag)

    # test_outage: a message that was popped and cannot be stored would be dropped, though we still hold it.
    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 kombu has no types
        """Count a message as delivered, even if Redis is full or unreachable and cannot store that."""
        if not self.channel.is_stored:
            try:
                self._store(message, delivery_tag)
            except (RedisError, OSError) as error:
                logger.warning("A message is run without being in `unacked`: %s", type(error).__name__)
        virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types

    def _store(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 kombu has no types
        """Store a message in `unacked`, and with the same command some that follow it, for which there are slots."""
        channel = self.channel
        address = json.dumps([message.delivery_info["exchange"], message.delivery_info["routing_key"]])[1:]
        entry = f"[{_text(message, channel.popped)}, {address}"
        # Where a queue is no longer consumed, what was popped from it before goes back, counted and to its end.
        takes = not channel.taken and channel.popped_queue in channel.active_queues
        most = self._free_slots() - 1 if takes else 0
        self._take(_NOTE, (channel.popped_from,), most, delivery_tag, entry)

    def take(self, queue_keys: Sequence[str]) -> None:
        """Take messages out of the first of these queues that has any; leave them there if Redis cannot store them."""
        if slots := self._free_slots():
            with contextlib.suppress(RedisError, OSError):
                self._take(_TAKE, queue_keys, slots)

    def _take(self, script: Script, queue_keys: Sequence[str], most: int, *arguments: Any) -> None:  # noqa: ANN401
        most = max(0, min(most, MOST_TAKEN_TOGETHER))
        with self._next_acknowledged() as acknowledged:
            operands = (time(), most, MAX_TAKEN_BYTES, *arguments, *acknowledged)
            taken_from, left, taken = self._run(script, *operands, queue_keys=queue_keys)
        for tag, _ in taken:
            # Given back when the channel closes, even if it could not be delivered.
            self._delivered[tag.decode()] = None
        self.channel.deliver_next(taken_from.decode(), taken, is_left=left > 0)

    def _free_slots(self) -> int:
        """How many more messages may be delivered; none where that has no limit."""
        return self.can_consume_max_estimate() or 0  # type: ignore[no-untyped-call] # kombu has no types

    def store_instead(self, delivery_tag: str) -> None:
        """Remove a message from `unacked` with the command that stores the next one, which takes its place."""
        self._acknowledged.appendleft(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types

    # test_acknowledgements: kombu sends MULTI, two commands and EXEC for each message, and again for each
    # acknowledgement: a tenth of the main process's CPU. A script is as atomic, and one command for both.
    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message: with the next one that is delivered, if somebody sees to it that this is soon."""
        self._acknowledged.append(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types
        if not self.acknowledges_later or len(self._acknowledged) >= MOST_ACKNOWLEDGED_TOGETHER:
            self.acknowledge_all()

    def acknowledge_all(self) -> None:
        """Tell Redis of what was acknowledged; if that fails, it is told with what is acknowledged next."""
        while self._acknowledged:
            with self._next_acknowledged() as acknowledged:
                if acknowledged:  # unless another thread was faster
                    self._run(_FORGET, *acknowledged)

    @contextlib.contextmanager
    def _next_acknowledged(self) -> Iterator[list[str]]:
        """What Redis is told next, by no other thread; kept for the time after that if it fails."""
        acknowledged: list[str] = []
        with contextlib.suppress(IndexError):
            while len(acknowledged) < MOST_ACKNOWLEDGED_TOGETHER:
                acknowledged.append(self._acknowledged.popleft())
        try:
            yield acknowledged
        except BaseException:
            self._acknowledged.extendleft(reversed(acknowledged))
            raise

    def take_over(self, previous: "QoS") -> None:
        """Acknowledge what could not be acknowledged through a connection that was lost."""
        self._acknowledged, previous._acknowledged = previous._acknowledged, self._acknowledged  # noqa: SLF001 same class

    def _run(self, script: Script, *arguments: Any, queue_keys: Sequence[str] = ()) -> Any:  # noqa: ANN401 whatever Redis takes
        pool = self.channel.pool
        if self._scripts is None or self._scripts.pool is not pool:
            self._scripts = ScriptRunner(pool)
        return self._scripts.run(script, (self.unacked_index_key, self.unacked_key, *queue_keys), arguments)

    def leave_all(self) -> None:
        """Let go of what was delivered, as when the worker ends by a fault: which message was the cause is not known.

        What was only taken was not, and is put back when the channel closes.
        """
        for delivery_tag, message in tuple(self._delivered.items()):
            if message:
                self.leave(delivery_tag)

    def restore_unacked(self, client: "Redis | None" = None) -> None:
        """Give back what was not begun. That is no fault of the messages, and is not counted as one."""
        self.returning = True
        try:
            super().restore_unacked(client)  # type: ignore[no-untyped-call] # kombu has no types
        finally:
            self.returning = False

    # test_restoring: kombu finds the queue through `_kombu.binding.*`, which producers may write to, and the place
    # in it through `priority`; where either is junk it logs the whole message, and deletes it.
    def restore_by_tag(self, tag: str, client: "Redis | None" = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 kombu's signature
        """Put a message back into its queue, and count that unless it was not started."""
        tag = bytes_to_str(tag)  # type: ignore[no-untyped-call] # kombu has no types

        def restore(pipe: Any) -> None:  # noqa: ANN401
            entry = pipe.hget(self.unacked_key, tag)
            pipe.multi()
            self._remove_from_indices(tag, pipe)  # type: ignore[no-untyped-call] # kombu has no types
            if entry:
                queue, item = returned(entry, is_counted=not self.returning, fallback_queue=self._any_queue())
                (pipe.lpush if leftmost else pipe.rpush)(queue, item)

        with self.channel.conn_or_acquire(client) as connection:
            connection.transaction(restore, self.unacked_key)
        logger.info("Message %s is put back into its queue", tag)

    def _any_queue(self) -> str:
        """For what does not say where it came from: the consumer rejects it wherever it lies."""
        return next(iter(self.channel.active_queues), _MONEY)


def _text(message: Any, item: bytes) -> str:  # noqa: ANN401 kombu has no types
    """A message as it was read from its queue, or as kombu would write it."""
    # If kombu ever delivers what was not popped, the text is another's.
    is_its_text = message.delivery_tag.encode() in item
    return item.decode() if is_its_text else dumps(message._raw)  # type: ignore[no-untyped-call] # noqa: SLF001 kombu's own form, which has no types


def returned(entry: bytes, *, is_counted: bool, fallback_queue: str) -> tuple[str, bytes]:
    """The queue of an unfinished message, and what is put back into it.

    Args:
        entry: as kombu keeps it in `unacked`.
        is_counted: whether a worker may have started it.
        fallback_queue: the queue for entries that cannot be decoded, which are wrapped in an envelope and so rejected.
    """
    try:
        message, _exchange, queue = json.loads(entry)
        headers, properties = message["headers"], message["properties"]
        headers["redelivered"] = properties["delivery_info"]["redelivered"] = True
        if is_counted:
            headers[REDELIVERIES] = redeliveries(headers) + 1
        return f"{queue}", json.dumps(message).encode()
    except Exception:  # noqa: BLE001 whatever is wrong with it, it is not dropped
        return fallback_queue, envelope(
            entry, queue=fallback_queue, reason="it cannot be put back into its queue"
        )


def redeliveries(headers: dict[str, Any]) -> int:
    """How often a message with these headers came back without having been finished."""
    count = headers.get(REDELIVERIES)
    return count if isinstance(count, int) and count > 0 else 0
