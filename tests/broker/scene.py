"""A broker, workers of `broker_app` at it, and the journal that their tasks write into."""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis
from celery import Celery
from kombu.message import Message
from kombu.simple import SimpleQueue

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import python_module
from payment_worker.devstack.waiting import wait_until
from tests.harness.fork_server import CELERY, forked

QUEUE = "charges"


class Scene:
    """What a test of the broker needs. Its workers see short times: the visibility timeout is a few seconds."""

    def __init__(self, *, broker_url: str, journal_url: str, directory: Path) -> None:
        self.broker_url, self._journal_url, self._directory = broker_url, journal_url, directory
        self.broker = redis.Redis.from_url(broker_url)
        self.journal = redis.Redis.from_url(journal_url, decode_responses=True)
        self.app = Celery("shop", broker=broker_url, set_as_current=False)
        self._started = ExitStack()
        self._workers = 0

    def worker(
        self,
        *,
        through: str | None = None,
        pool: str = "prefork",
        concurrency: int = 2,
        visibility_seconds: float = 6,
        settings: Mapping[str, str] | None = None,
    ) -> Process:
        """A worker that is ready. Without mingling, for which each would wait a second."""
        self._workers += 1
        environ = {
            "REDIS_URL": through or self.broker_url,
            "BROKER_APP_JOURNAL": self._journal_url,
            "BROKER_APP_AS_SHIPPED": os.environ.get("BROKER_APP_AS_SHIPPED", ""),
            "PAYMENT_WORKER_VISIBILITY_TIMEOUT": str(visibility_seconds),
            **(settings or {}),
        }
        name = f"worker{self._workers}"
        flags = (f"--pool={pool}", f"--concurrency={concurrency}", f"--hostname={name}@here")
        arguments = ("-A", "tests.broker.broker_app", "worker", *flags, "--loglevel=INFO", "--without-mingle")
        process = python_module(
            "celery", *arguments, directory=self._directory, name=name, ready=r"\bready\.", settings=environ
        )
        return self._started.enter_context(forked(process, CELERY).start().wait_ready())

    def send(self, task: str, payment_id: str, *, countdown: float | None = None, **arguments: object) -> str:
        """Enqueue a task as another app would."""
        kwargs = {"payment_id": payment_id, **arguments}
        return str(self.app.send_task(f"probe.{task}", kwargs=kwargs, queue=QUEUE, countdown=countdown).id)

    def said(self, what: str) -> list[str]:
        """The journal's entries of one kind, oldest first."""
        return [str(entry) for entry in self.journal.lrange(what, 0, -1)]

    def kept(self) -> list[dict[str, Any]]:
        """The requests that were kept as rejected."""
        return [json.loads(entry) for entry in self.said("kept")]

    def over(self) -> int:
        """How many messages were run, or kept as rejected."""
        return int(self.journal.llen("ended")) + int(self.journal.llen("kept"))

    def wait_for(self, what: str, *payment_ids: str, seconds: float = 20) -> None:
        """Wait until the journal says this of all these payments."""
        wait_until(
            lambda: set(payment_ids) <= set(self.said(what)), seconds=seconds, what=f"{what} {payment_ids}"
        )

    def wait_until_empty(self, *, seconds: float = 10) -> None:
        """Wait until no message is in the queue or unacknowledged."""
        wait_until(
            lambda: not self.waiting() and not self.unacknowledged(), seconds=seconds, what="an empty broker"
        )

    def waiting(self) -> int:
        """How many messages are in the queue."""
        return int(self.broker.llen(QUEUE))

    def unacknowledged(self) -> int:
        """How many messages were delivered and not acknowledged."""
        return int(self.broker.hlen("unacked"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()
        self.app.pool.force_close_all()
        self.app.close()
        self.broker.close()
        self.journal.close()


def received(queue: SimpleQueue) -> Message:
    """The next message of a queue."""
    message: Message = queue.get()  # type: ignore[no-untyped-call]
    return message


def acknowledge(message: Message) -> None:
    """Acknowledge a message."""
    message.ack()  # type: ignore[no-untyped-call]
