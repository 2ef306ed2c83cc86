"""Kombu's Redis transport with its faults in acknowledging, restoring and reconnecting fixed.

Seen with kombu 5.7.0 and celery 5.7.0; each cure names its test, and can go when that passes without it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis
from kombu.utils.json import loads
from redis import Redis
from redis.connection import ConnectionPool

from payment_worker.broker.envelope import enveloped
from payment_worker.broker.qos import QoS


class _Mended:
    """What every channel of ours does differently, with or without Sentinel."""

    connection: Any
    pool: ConnectionPool
    qos: Any
    active_queues: Any
    priority_steps: Any
    _queue_cycle: Any
    _q_for_pri: Any
    popped = b""
    """What came last: the message that is delivered now, as it was in its queue."""
    popped_from = ""
    """The key of that queue."""
    taken: "deque[tuple[str, bytes]]"
    """Further messages of that queue, each with its tag, that are in `unacked` and not delivered yet."""
    has_waiting = False
    """Whether that queue had more messages."""
    is_stored = False
    """Whether the message that is delivered now is in `unacked`."""
    _at_pool: "Redis | None" = None

    def __init__(self, connection: Any, **options: Any) -> None:  # noqa: ANN401
        self._known = SimpleNamespace(client=connection.client, default_port=connection.default_port)
        self.taken = deque()
        super().__init__(connection, **options)  # type: ignore[call-arg] # the next class is kombu's channel

    # test_outage: a busy worker exits when Redis goes away, for its channel, once closed, has forgotten
    # where Redis was, and is asked to give back or acknowledge what it delivered.
    def _get_pool(self, asynchronous: bool = False) -> ConnectionPool:  # noqa: FBT001, FBT002 kombu's signature
        with self._remembering():
            return super()._get_pool(asynchronous)  # type: ignore[misc,no-any-return]

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        current = self.connection
        if current is None or current.client is None:
            self.connection = self._known
        try:
            yield
        finally:
            self.connection = current

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
        self.popped_from = key.decode()
        self.popped = enveloped(item, queue=self.popped_queue)
        return key, self.popped

    @property
    def popped_queue(self) -> str:
        """The queue that the message which came last was in."""
        return self.popped_from.rsplit(self.sep, 1)[0]  # type: ignore[attr-defined]

    # test_taking_together: kombu has the worker's loop turn three times for each message, also where many wait.
    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 kombu has no types
        """Deliver the message that was popped, and those that the command which stored it has taken with it."""
        self.taken.clear()
        received = super()._brpop_read(**options)  # type: ignore[misc]
        self._deliver_all_taken()
        return received

    # test_taking_together: as above.
    def _brpop_start(self, timeout: float | None = None) -> None:
        """Deliver what waits without BRPOP, which is for what comes later."""
        if self.has_waiting and self.qos.takes_at_once:
            self.taken.clear()
            queues = self._queue_cycle.consume(len(self.active_queues))
            self.qos.take([self._q_for_pri(queue, step) for step in self.priority_steps for queue in queues])
            if self.taken:
                self._queue_cycle.rotate(self.popped_queue)
                self._deliver_all_taken()
        if self.qos.can_consume():
            super()._brpop_start(timeout)  # type: ignore[misc]

    def deliver_next(self, queue_key: str, messages: Iterable[tuple[bytes, bytes]], *, is_left: bool) -> None:
        """Deliver these messages, each with its tag, after the one that is delivered now."""
        self.popped_from, self.has_waiting = queue_key, is_left
        self.taken.extend((tag.decode(), item) for tag, item in messages)

    def _deliver_all_taken(self) -> None:
        while self.taken:
            self._deliver_taken(*self.taken[0])
            self.taken.popleft()

    def _deliver_taken(self, delivery_tag: str, item: bytes) -> None:
        self.popped = enveloped(item, queue=self.popped_queue)
        self.is_stored = self.popped is item
        if not self.is_stored:
            self.qos.store_instead(delivery_tag)
        try:
            message = loads(self.popped.decode())  # type: ignore[no-untyped-call] # kombu has no types
            self.connection._deliver(message, self.popped_queue)  # noqa: SLF001 as kombu does
        finally:
            self.is_stored = False

    # test_restoring: what is enqueued here would follow whatever others wrote into `_kombu.binding.*`, or fail.
    # Each queue of ours is bound under its own name.
    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        if exchange == routing_key:
            return [routing_key]
        return super()._lookup(exchange, routing_key, default)  # type: ignore[misc,no-any-return]


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
    transports = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}
    for scheme, transport in transports.items():
        kombu_transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{transport.__name__}"
        # A connection that asked before us must not keep the old one.
        kombu_transport._transport_cache.pop(scheme, None)  # noqa: SLF001 there is no other way to it
