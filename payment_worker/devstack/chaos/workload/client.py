"""Sends every request of the workload as an app would, and resends those that no row shows.

The worker's guarantee begins with the row. A request that Redis lost before a worker recorded it must be resent by
the client, which therefore keeps a list of its own, as `docs/explanation/guarantees.md` requires.
"""

import heapq
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Final, Self

import redis.exceptions
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from payment_worker.devstack.chaos.workload.generator import PlannedRequest, Workload
from payment_worker.devstack.servers.simulator import Simulator, SimulatorError

RESEND_AFTER_SECONDS: Final = 20.0
"""How long a request may have no row before it is resent. A refund waits up to 15 s for an unknown payment."""
_MAX_RESEND_SECONDS: Final = 120.0
_POLL_EVERY_SECONDS: Final = 2.0
_POLL_BACKOFF_FACTOR: Final = 20
"""Pause between polls, in multiples of a poll's duration: there may be ten thousand ids to look up."""
_LONGEST_PAUSE_SECONDS: Final = 20.0
"""A poll that met a paused PostgreSQL was slow for another reason."""
_TICK_SECONDS: Final = 0.05

_RECORDED = text(
    "SELECT payment_id::text FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))"
    " UNION ALL SELECT refund_id::text FROM refund WHERE refund_id = ANY(CAST(:ids AS uuid[]))"
    " UNION ALL SELECT request_id::text FROM payment_attempt WHERE request_id = ANY(CAST(:ids AS uuid[]))"
    " UNION ALL SELECT request_id::text FROM rejected_request WHERE request_id = ANY(CAST(:ids AS uuid[]))"
)
_STATUSES = text("SELECT payment_id::text, status FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))")


class Client:
    """Sends the workload in a thread. `recorded`, `sent` and `resent` may be read at any time."""

    def __init__(self, workload: Workload, *, redis_url: str, database: Engine, simulator: Simulator) -> None:
        self._app = Celery("chaos-client", broker=redis_url, set_as_current=False)
        self._app.conf.update(
            broker_transport_options={"socket_timeout": 3, "socket_connect_timeout": 2},
            task_publish_retry=False,
        )
        self._database, self._simulator = database, simulator
        self._made: dict[str, str] = {}
        """The PaymentIntents that Checkout made, by the request that adopts them."""
        self._requests = {request.request_id: request for request in workload.requests}
        self._changes = {request.request_id for request in workload.changes}
        self._due = [(at, request.request_id) for request in self._requests.values() for at in request.at]
        heapq.heapify(self._due)
        self._unrecorded: dict[str, float] = {}
        self._resend_after: dict[str, float] = {}
        self._sent_ids: set[str] = set()
        self.recorded: set[str] = set()
        self.sent = self.resent = self.send_failures = 0
        self._began_at = datetime.now(tz=UTC)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="client", daemon=True)

    @property
    def done(self) -> bool:
        """Whether every request was sent as often as planned, and has a row."""
        return not self._due and not self._unrecorded

    @property
    def sent_requests(self) -> int:
        """How many different requests were sent so far."""
        return len(self._sent_ids)

    @property
    def waiting(self) -> int:
        """Messages to send, and requests without a row."""
        return len(self._due) + len(self._unrecorded)

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
        poll_at = began + _POLL_EVERY_SECONDS
        while not self._stop.wait(_TICK_SECONDS):
            now = time.monotonic()
            self._send_due(now - began)
            if now >= poll_at:
                self._poll_rows(now - began)
                polled = time.monotonic()
                pause = max(_POLL_EVERY_SECONDS, _POLL_BACKOFF_FACTOR * (polled - now))
                poll_at = polled + min(pause, _LONGEST_PAUSE_SECONDS)

    def _send_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now and not self._stop.is_set():
            _, request_id = heapq.heappop(self._due)
            if not self._send(self._requests[request_id]):
                heapq.heappush(self._due, (now + 1.0, request_id))
                return
            self._sent_ids.add(request_id)
            if request_id not in self.recorded:
                self._unrecorded.setdefault(request_id, now + RESEND_AFTER_SECONDS)

    def _send(self, request: PlannedRequest) -> bool:
        try:
            self._app.send_task(
                request.task,
                kwargs=self._arguments(request),
                queue=request.queue,
                task_id=self._message_id(request),
            )
        except (OperationalError, redis.exceptions.RedisError, SimulatorError, OSError):
            self.send_failures += 1
            return False
        self.sent += 1
        return True

    def _arguments(self, request: PlannedRequest) -> dict[str, object]:
        if request.checkout:
            if request.request_id not in self._made:
                self._made[request.request_id] = self._simulator.post("payment_intents", request.checkout)[
                    "id"
                ]
            return {**request.arguments, "payment_intent": self._made[request.request_id]}
        if request.not_before is None:
            return dict(request.arguments)
        return {
            **request.arguments,
            "not_before": (self._began_at + timedelta(seconds=request.not_before)).isoformat(),
        }

    def _message_id(self, request: PlannedRequest) -> str | None:
        """The request's id where only the message id identifies it; else a new id for each copy."""
        return request.request_id if request.request_id in self._changes else None

    def _poll_rows(self, now: float) -> None:
        """Mark requests that have a row as recorded, and resend those whose time is up."""
        if not self._unrecorded:
            return
        try:
            with self._database.connect() as connection:
                found = set(connection.execute(_RECORDED, {"ids": list(self._unrecorded)}).scalars())
                changed = {
                    self._requests[each].payment_id for each in self._unrecorded if each in self._changes
                }
                rows = connection.execute(_STATUSES, {"ids": list(changed)}).tuples()
                statuses = {payment_id: str(status) for payment_id, status in rows}
        except SQLAlchemyError:
            return
        pending_changes = {each: self._requests[each] for each in self._unrecorded if each in self._changes}
        found |= {
            each
            for each, request in pending_changes.items()
            if request.is_no_op(statuses.get(request.payment_id))
        }
        self.recorded |= found
        for request_id in found:
            del self._unrecorded[request_id]
        for request_id, resend_at in list(self._unrecorded.items()):
            if resend_at <= now:
                # Exponential: a slow machine does not get faster by receiving more copies.
                before = self._resend_after.get(request_id, RESEND_AFTER_SECONDS)
                self._resend_after[request_id] = min(2 * before, _MAX_RESEND_SECONDS)
                self._unrecorded[request_id] = now + self._resend_after[request_id]
                self.resent += 1
                heapq.heappush(self._due, (now, request_id))
