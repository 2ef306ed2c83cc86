"""The app that asks: sends every request as planned, and again whatever has left no row.

Our promise begins with the row. A request that Redis forgot before a worker saw it is the caller's to repeat,
so this one keeps a list of its own, as `docs/guarantees.md` tells callers to.
"""

import heapq
import time
from threading import Event, Thread
from typing import Final, Self

import redis.exceptions
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from payment_worker.devstack.chaos.plan import Ask, Plan

PATIENCE_SECONDS: Final = 20.0
"""How long after sending it a caller looks for its row. A refund waits up to 15 s for a payment nobody knows."""
_MOST_PATIENCE_SECONDS: Final = 120.0
_LOOK_EVERY_SECONDS: Final = 2.0
_BETWEEN_LOOKS: Final = 20
"""How many times longer than a look the time between two is at least: there may be ten thousand rows to look for."""
_TURN_SECONDS: Final = 0.05

_RECORDED = text(
    "SELECT payment_id::text FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))"
    " UNION ALL SELECT refund_id::text FROM refund WHERE refund_id = ANY(CAST(:ids AS uuid[]))"
    " UNION ALL SELECT request_id::text FROM payment_attempt WHERE request_id = ANY(CAST(:ids AS uuid[]))"
    " UNION ALL SELECT request_id::text FROM rejected_request WHERE request_id = ANY(CAST(:ids AS uuid[]))"
)
_STATUSES = text("SELECT payment_id::text, status FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))")


class Caller:
    """A thread that sends. `recorded`, `sent` and `sent_again` may be read at any time."""

    def __init__(self, plan: Plan, *, redis_url: str, database: Engine) -> None:
        self._app = Celery("caller", broker=redis_url, set_as_current=False)
        self._app.conf.update(
            broker_transport_options={"socket_timeout": 3, "socket_connect_timeout": 2},
            task_publish_retry=False,
        )
        self._database = database
        self._asks = {ask.identity: ask for ask in plan.asks}
        self._changes = {ask.identity for ask in plan.changes}
        self._due = [(at, ask.identity) for ask in self._asks.values() for at in ask.at]
        heapq.heapify(self._due)
        self._waiting: dict[str, float] = {}
        self._patience: dict[str, float] = {}
        self._asked: set[str] = set()
        self.recorded: set[str] = set()
        self.sent = self.sent_again = self.never_sent = 0
        self._stop = Event()
        self._thread = Thread(target=self._run, name="caller", daemon=True)

    @property
    def done(self) -> bool:
        """Whether every request was sent as often as planned, and has a row."""
        return not self._due and not self._waiting

    @property
    def asked(self) -> int:
        """Different requests that were sent so far."""
        return len(self._asked)

    @property
    def waiting(self) -> int:
        """Messages to send, and requests without a row."""
        return len(self._due) + len(self._waiting)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._app.close()

    def send(self, task: str, **arguments: object) -> None:
        """Send one more task, once."""
        self._app.send_task(task, kwargs=arguments, queue="maintenance")

    def _run(self) -> None:
        began = time.monotonic()
        look_at = began + _LOOK_EVERY_SECONDS
        while not self._stop.wait(_TURN_SECONDS):
            now = time.monotonic()
            self._send_due(now - began)
            if now >= look_at:
                self._look(now - began)
                looked = time.monotonic()
                look_at = looked + max(_LOOK_EVERY_SECONDS, _BETWEEN_LOOKS * (looked - now))

    def _send_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now and not self._stop.is_set():
            _, identity = heapq.heappop(self._due)
            if not self._send(self._asks[identity]):
                heapq.heappush(self._due, (now + 1.0, identity))
                return
            self._asked.add(identity)
            if identity not in self.recorded:
                self._waiting.setdefault(identity, now + PATIENCE_SECONDS)

    def _send(self, ask: Ask) -> bool:
        try:
            self._app.send_task(
                ask.task, kwargs=dict(ask.arguments), queue=ask.queue, task_id=self._message_id(ask)
            )
        except (OperationalError, redis.exceptions.RedisError, OSError):
            self.never_sent += 1
            return False
        self.sent += 1
        return True

    def _message_id(self, ask: Ask) -> str | None:
        """Its own id where the request is told by that; else a new one for each copy."""
        return ask.identity if ask.identity in self._changes else None

    def _look(self, now: float) -> None:
        """Strike off what has a row, and send again what should have one by now."""
        if not self._waiting:
            return
        try:
            with self._database.connect() as connection:
                found = set(connection.execute(_RECORDED, {"ids": list(self._waiting)}).scalars())
                changed = {self._asks[each].payment_id for each in self._waiting if each in self._changes}
                rows = connection.execute(_STATUSES, {"ids": list(changed)}).tuples()
                statuses = {payment_id: str(status) for payment_id, status in rows}
        except SQLAlchemyError:
            return
        asked = {each: self._asks[each] for each in self._waiting if each in self._changes}
        found |= {each for each, ask in asked.items() if ask.is_moot(statuses.get(ask.payment_id))}
        self.recorded |= found
        for identity in found:
            del self._waiting[identity]
        for identity, patient_until in list(self._waiting.items()):
            if patient_until <= now:
                # Longer each time: whoever is slow does not get quicker by being asked more often.
                before = self._patience.get(identity, PATIENCE_SECONDS)
                self._patience[identity] = min(2 * before, _MOST_PATIENCE_SECONDS)
                self._waiting[identity] = now + self._patience[identity]
                self.sent_again += 1
                heapq.heappush(self._due, (now, identity))
