"""Kombu's Redis transport with its faults in acknowledging, restoring and reconnecting fixed.

Seen with kombu 5.7.0 and celery 5.7.0; each cure names its test, and can go when that passes without it.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str
from redis import Redis
from redis.connection import ConnectionPool
from redis.exceptions import RedisError

from payment_worker.broker.envelope import envelope, enveloped

logger = logging.getLogger(__name__)

# The header that counts how often a message came back without having been finished.
REDELIVERIES = "redeliveries"

_MONEY = "charges"


class QoS(kombu_redis.QoS):
    """The messages that were delivered and not acknowledged, of which some may be left with Redis."""

    returning = False

    def leave(self, delivery_tag: str) -> None:
        """Let go of a message without giving it back: Redis keeps it until the visibility timeout.

        It holds no slot here any more, is not put back when the channel closes, and can still be acknowledged.
        """
        self._quick_ack(delivery_tag)

    # test_full_redis: what was popped and cannot be written down would be dropped, though it is in our hands.
    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 kombu has no types
        """Count a message as delivered, even if Redis is full or unreachable and cannot store that."""
        try:
            super().append(message, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types
        except (RedisError, OSError) as error:
            logger.warning("A message is run without being in `unacked`: %s", type(error).__name__)
            virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types

    def leave_all(self) -> None:
        """Let go of every message, as when the worker ends by a fault: which one was the cause is not known."""
        for delivery_tag in tuple(self._delivered):
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
            held = pipe.hget(self.unacked_key, tag)
            pipe.multi()
            self._remove_from_indices(tag, pipe)  # type: ignore[no-untyped-call] # kombu has no types
            if held:
                queue, item = returned(held, is_counted=not self.returning, otherwise=self._any_queue())
                (pipe.lpush if leftmost else pipe.rpush)(queue, item)

        with self.channel.conn_or_acquire(client) as connection:
            connection.transaction(restore, self.unacked_key)
        logger.info("Message %s is put back into its queue", tag)

    def _any_queue(self) -> str:
        """For what does not say where it came from: the consumer rejects it wherever it lies."""
        return next(iter(self.channel.active_queues), _MONEY)


class _Mended:
    """What every channel of ours does differently, with or without Sentinel."""

    connection: Any
    pool: ConnectionPool
    qos: Any
    _at_pool: "Redis | None" = None

    def __init__(self, connection: Any, **options: Any) -> None:  # noqa: ANN401
        self._known = SimpleNamespace(client=connection.client, default_port=connection.default_port)
        super().__init__(connection, **options)  # type: ignore[call-arg] # the next class is kombu's channel

    # test_outage: a busy worker exits when Redis goes away, for its channel, once closed, has forgotten
    # where Redis was, and is asked to give back or acknowledge what it delivered.
    def _get_pool(self, asynchronous: bool = False) -> ConnectionPool:  # noqa: FBT001, FBT002 kombu's signature
        with self._remembering():
            return super()._get_pool(asynchronous)  # type: ignore[misc,no-any-return]

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        present = self.connection
        if present is None or present.client is None:
            self.connection = self._known
        try:
            yield
        finally:
            self.connection = present

    # test_malformed: what is not a message stops the worker inside kombu, and is gone.
    def _create_client(self, asynchronous: bool = False) -> "Redis":  # noqa: FBT001, FBT002 kombu's signature
        client: Redis = super()._create_client(asynchronous)  # type: ignore[misc]
        client.set_response_callback("BRPOP", self._popped)
        return client

    # test_task_events: kombu makes a client, and copies its table of callbacks, for every acknowledgement and message:
    # a tenth of the main process's CPU. A client holds no connection of its own, and may be shared by threads.
    @contextmanager
    def conn_or_acquire(self, client: "Redis | None" = None) -> Iterator["Redis"]:
        """The client given, or one that is kept for as long as its pool is."""
        if client is None:
            client = self._at_pool
            if client is None or client.connection_pool is not self.pool:
                client = self._at_pool = self._create_client()
        yield client

    def _popped(self, response: Any, **_: Any) -> tuple[bytes, bytes] | None:  # noqa: ANN401
        if not response:
            return None
        key, item = response
        queue = key.decode().rsplit(self.sep, 1)[0]  # type: ignore[attr-defined]
        return key, enveloped(item, queue=queue)

    # test_restoring: what is enqueued here would follow whatever others wrote into `_kombu.binding.*`, or fail.
    # Each queue of ours is bound under its own name.
    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        if exchange == routing_key:
            return [routing_key]
        return super()._lookup(exchange, routing_key, default)  # type: ignore[misc,no-any-return]


def returned(held: bytes, *, is_counted: bool, otherwise: str) -> tuple[str, bytes]:
    """The queue of an unfinished message, and what is put back into it.

    Args:
        held: as kombu keeps it in `unacked`.
        is_counted: whether a worker may have started it.
        otherwise: the queue for entries that cannot be decoded, which are wrapped in an envelope and so rejected.
    """
    try:
        message, _exchange, queue = json.loads(held)
        headers, properties = message["headers"], message["properties"]
        headers["redelivered"] = properties["delivery_info"]["redelivered"] = True
        if is_counted:
            headers[REDELIVERIES] = redeliveries(headers) + 1
        return f"{queue}", json.dumps(message).encode()
    except Exception:  # noqa: BLE001 whatever is wrong with it, it is not dropped
        return otherwise, envelope(held, queue=otherwise, why="it cannot be put back into its queue")


def redeliveries(headers: dict[str, Any]) -> int:
    """How often a message with these headers came back without having been finished."""
    count = headers.get(REDELIVERIES)
    return count if isinstance(count, int) and count > 0 else 0


class Channel(_Mended, kombu_redis.Channel):
    """A channel to one Redis."""

    QoS = QoS


class SentinelChannel(_Mended, kombu_redis.SentinelChannel):
    """A channel to whichever Redis the sentinels call the master."""

    QoS = QoS


class Transport(kombu_redis.Transport):
    """`redis://` and `rediss://`."""

    Channel = Channel


class SentinelTransport(kombu_redis.SentinelTransport):
    """`sentinel://`."""

    Channel = SentinelChannel


def register() -> None:
    """Make these the transports of the schemes that a broker's URL may have."""
    ours = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}
    for scheme, transport in ours.items():
        kombu_transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{transport.__name__}"
        # A connection that asked before us must not keep the old one.
        kombu_transport._transport_cache.pop(scheme, None)  # noqa: SLF001 there is no other way to it
