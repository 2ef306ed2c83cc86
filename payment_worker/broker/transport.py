"""Redis as Celery's broker, with the faults of kombu's own transport mended that money cannot live with.

Seen with kombu 5.7.0 and celery 5.7.0; each cure names its test, and can go when that passes without it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis import Redis
from redis.connection import ConnectionPool
from redis.exceptions import RedisError

from payment_worker.broker.envelope import enveloped

logger = logging.getLogger(__name__)

# The header that counts how often a message came back without having been finished.
REDELIVERIES = "redeliveries"


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
        """Count a message as delivered, even if Redis is full or gone and cannot be told."""
        try:
            super().append(message, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types
        except (RedisError, OSError) as error:
            logger.warning("A message is run without being in `unacked`: %s", type(error).__name__)
            virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types

    def restore_unacked(self, client: "Redis | None" = None) -> None:
        """Give back what was not begun. That is no fault of the messages, and is not counted as one."""
        self.returning = True
        try:
            super().restore_unacked(client)  # type: ignore[no-untyped-call] # kombu has no types
        finally:
            self.returning = False


class _Mended:
    """What every channel of ours does differently, with or without Sentinel."""

    connection: Any
    qos: Any

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

    def _popped(self, response: Any, **_: Any) -> tuple[bytes, bytes] | None:  # noqa: ANN401
        if not response:
            return None
        key, item = response
        queue = key.decode().rsplit(self.sep, 1)[0]  # type: ignore[attr-defined]
        return key, enveloped(item, queue=queue)

    # test_poison: nothing else counts the runs that ended with the whole worker's death.
    def _do_restore_message(
        self,
        payload: dict[str, Any],
        exchange: str,
        routing_key: str,
        pipe: Any,  # noqa: ANN401
        leftmost: bool = False,  # noqa: FBT001, FBT002 kombu's signature
    ) -> None:
        if not self.qos.returning:
            headers = payload["headers"]
            headers[REDELIVERIES] = redeliveries(headers) + 1
        super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)  # type: ignore[misc]

    # test_outage: a closed channel finds no queue for a message, which is then deleted instead of put back.
    # Each queue of ours is bound under its own name.
    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        if self.connection is None:
            return [routing_key]
        return super()._lookup(exchange, routing_key, default)  # type: ignore[misc,no-any-return]


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
        # Whoever asked before us is not to keep the old one.
        kombu_transport._transport_cache.pop(scheme, None)  # noqa: SLF001 there is no other way to it
