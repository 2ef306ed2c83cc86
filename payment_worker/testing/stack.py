"""PostgreSQL, Valkey, worker, beat and webhook receiver for the tests of another app."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg2
import redis
from psycopg2.extras import RealDictCursor

from payment_worker.devstack.ports import Ports, free_port
from payment_worker.devstack.progress import Screen
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.stack import Stack, running
from payment_worker.devstack.waiting import DeadlineMissedError, wait_until

STREAM: Final = "payment_worker.events"
_KEPT_TABLES: Final = ("alembic_version", "metadata_secret")
"""What the migration fills."""
_EMPTY_TABLES: Final = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;  -- some tables refuse to be emptied
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> ALL (%s)
    LOOP EXECUTE format('DELETE FROM %%I', name); END LOOP;
END $$
"""


@dataclass(frozen=True)
class PaymentWorkerStack:
    """A Payment Worker that runs, and where it is reached."""

    stripe_simulator: Simulator
    _stack: Stack

    @property
    def redis_url(self) -> str:
        """The broker: your app sends its tasks to it and reads the stream of messages in it."""
        return self._stack.settings["REDIS_URL"]

    @property
    def database_url(self) -> str:
        """The Payment Database."""
        return self._stack.settings["DATABASE_URL"]

    @property
    def webhook_url(self) -> str:
        """The webhook receiver, to which the simulator sends every event."""
        return self._stack.webhook_url

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """What a query of the Payment Database finds: `rows("SELECT … WHERE payment_id = %s", payment_id)`."""
        values = [str(each) if isinstance(each, UUID) else each for each in parameters]
        with (
            closing(psycopg2.connect(self.database_url)) as connection,
            connection,
            connection.cursor(cursor_factory=RealDictCursor) as cursor,
        ):
            cursor.execute(query, values)
            return [dict(row) for row in cursor] if cursor.description else []

    def messages(self, subject: UUID | str | None = None) -> list[dict[str, Any]]:
        """The messages that were published about a payment, or about any, oldest first."""
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            entries: Any = client.xrange(STREAM)
        messages = [json.loads(fields[b"event"]) for _, fields in entries]
        return [each for each in messages if subject is None or each["subject"] == str(subject)]

    def wait_for_message(self, kind: str, subject: UUID | str, *, seconds: float = 30) -> dict[str, Any]:
        """Wait until a message of this type about a payment is published, and return it.

        Raises:
            DeadlineMissedError: none was. The message says what was published, and ends with the worker's log.
        """

        def found() -> dict[str, Any] | None:
            return next((each for each in self.messages(subject) if each["type"] == kind), None)

        try:
            message = wait_until(found, seconds=seconds, what=f"{kind} about {subject}")
        except DeadlineMissedError as error:
            published = [each["type"] for each in self.messages(subject)] or "nothing"
            log = self._stack.processes["worker"].tail()
            raise DeadlineMissedError(f"{error}; published: {published}\nThe worker's log:\n{log}") from None
        return message or {}

    def reset(self, stripe_simulator: Simulator) -> None:
        """Empty tables and queues, and let a simulator that has been reset send webhooks again."""
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            client.flushdb()
        wait_until(self._empty_tables, seconds=30, what="the tables are empty")
        stripe_simulator.send_webhooks(self.webhook_url, self._stack.settings["STRIPE_WEBHOOK_SECRET"])

    def _empty_tables(self) -> bool:
        try:
            self.rows(_EMPTY_TABLES, list(_KEPT_TABLES))
        except psycopg2.errors.DeadlockDetected:  # the worker is at work, and locks rows in another order
            return False
        return True


@contextmanager
def started(stripe_simulator: Simulator, settings: Mapping[str, str]) -> Iterator[PaymentWorkerStack]:
    """Start everything, with nothing from the environment: its database may be the app's own."""
    environ = {
        **settings,
        "STRIPE_API_BASE": stripe_simulator.url,
        "STRIPE_API_KEY": "sk_test_simulator",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
    }
    ports = Ports(None, None, None, webhook=free_port(), flower=None, console=None)
    with running(Screen(), ports=ports, environ=environ, durable=False) as stack:
        yield PaymentWorkerStack(stripe_simulator, stack)
