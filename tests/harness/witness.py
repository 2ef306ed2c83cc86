"""Watching a worker as Flower does: Celery's own events, by any client of the broker."""

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Self

import redis
from celery import Celery

from payment_worker.devstack.waiting import wait_until

ENDS = frozenset({"task-succeeded", "task-failed"})


class Witness:
    """Hears every task's events from the moment it is entered."""

    def __init__(self, redis_url: str) -> None:
        self._app = Celery("witness", broker=redis_url, set_as_current=False)
        # Celery imports it at first use: in two threads at once, that can end in a deadlock.
        self._receiver_class = self._app.events.Receiver
        self._heard: list[dict[str, Any]] = []
        self._stopped = Event()
        self._thread = Thread(target=self._listen, name="witness", daemon=True)

    def heard(self, *types: str) -> list[dict[str, Any]]:
        """All events of these types, `task-received` for instance, in order."""
        return [event for event in list(self._heard) if event["type"] in types]

    def events(self, message_id: str, *types: str) -> list[dict[str, Any]]:
        """Those of one message."""
        return [event for event in self.heard(*types) if event["uuid"] == message_id]

    def wait_for_end(self, message_ids: Collection[str], *, seconds: float = 20) -> None:
        """Wait until each of these messages has been run to its end, one way or the other."""
        wanted = set(message_ids)

        def missing() -> set[str]:
            return wanted - {event["uuid"] for event in list(self._heard) if event["type"] in ENDS}

        wait_until(lambda: not missing(), seconds=seconds, what=f"the end of {len(wanted)} tasks")

    def counts(self, message_ids: Collection[str]) -> Counter[str]:
        """How often each type of event was heard of these messages."""
        wanted = set(message_ids)
        return Counter(event["type"] for event in list(self._heard) if event.get("uuid") in wanted)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            with suppress(OSError, redis.ConnectionError), self._app.connection_for_read() as connection:
                self._receiver = self._receiver_class(connection, handlers={"*": self._heard.append})
                self._receiver.capture(limit=None, timeout=None, wakeup=False)

    def _is_subscribed(self) -> bool:
        # What is said before the subscription stands is heard by nobody.
        with self._app.connection_for_write() as connection, self._app.events.Dispatcher(connection) as voice:
            voice.send("witness-called")
        return any(event["type"] == "witness-called" for event in list(self._heard))

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(self._is_subscribed, what="the subscription", every_seconds=0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._receiver.should_stop = True
        self._thread.join()
        self._app.pool.force_close_all()
        self._app.close()
