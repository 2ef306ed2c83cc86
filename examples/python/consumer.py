"""Writes outcomes into the database of the app that asked for them, each exactly once: `consumer.py GROUP NAME`.

Start as many as you like in one group, each under a name of its own. With `--dead` it handles dead letters once more.
"""

import json
import logging
import os
import sys
import time
from typing import Any

import psycopg2
import redis

STREAM = os.environ.get("PAYMENT_WORKER_STREAM", "payment_worker.events")
DEAD_LETTERS = f"{STREAM}.dead"
MOST_DELIVERIES = 5
"""One that still fails, or ends its consumer, is set aside; what comes after it waits for that long."""
ADOPT_AFTER_MS = int(os.environ.get("ADOPT_AFTER_MS", "60000"))
"""Longer than handling a message takes: what another consumer has held for this long is taken over."""

PAUSE_SECONDS = float(os.environ.get("PAUSE_SECONDS", "1"))
"""Before a message is tried again, doubled each time."""

Connection = Any
Entry = tuple[bytes, dict[bytes, bytes]]
logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger("consumer")


def handle(cursor: Any, message: dict[str, Any]) -> None:  # noqa: ANN401 psycopg2 has no types
    """What your app does. It is in the same transaction as the note that the message was handled."""
    kind, payment_id = message["type"], message["subject"]
    if kind in {"PaymentSucceeded", "PaymentFailed", "PaymentAuthorized", "PaymentCanceled"}:
        cursor.execute("UPDATE charge SET outcome = %s WHERE payment_id::text = %s", (kind, payment_id))
    elif kind in {"RefundProcessed", "RefundFailed"}:
        refund_id = message["data"]["refundId"]
        cursor.execute("UPDATE refund SET outcome = %s WHERE refund_id::text = %s", (kind, refund_id))
    elif kind == "RequestRejected" and message["data"]["task"] == "payment_worker.charge":
        # Not the charge that was accepted before, if this one had the same id and other arguments.
        rejected = "UPDATE charge SET outcome = %s WHERE payment_id::text = %s AND outcome IS NULL"
        cursor.execute(rejected, (kind, payment_id))


def handle_once(database: Connection, event: bytes) -> None:
    """Handle a message unless its id was handled before: messages come at least once."""
    message = json.loads(event)
    with database, database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO handled_message (id) VALUES (%s) ON CONFLICT DO NOTHING", (message["id"],)
        )
        if cursor.rowcount:
            handle(cursor, message)
            log.info("%s %s", message["type"], message["subject"])


class Consumer:
    """One of a group: each message is given to one of them."""

    def __init__(self, stream: "redis.Redis", database: Connection, group: str, name: str) -> None:
        self._stream, self._database, self._group, self._name = stream, database, group, name

    def run(self) -> None:
        """Handle what comes, until it is stopped."""
        while True:
            try:
                self._run_once()
            except redis.ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                self._create_group()  # it is the first to run, or Redis has lost its memory

    def _run_once(self) -> None:
        # What it holds comes first: what failed, or what it was given before it died.
        if entry := self._next("0") or self._next(">"):
            self._take(*entry)
        else:
            # Their consumer died. Only their owner changes, no delivery is counted.
            self._stream.xautoclaim(STREAM, self._group, self._name, ADOPT_AFTER_MS, justid=True)

    def _create_group(self) -> None:
        try:
            self._stream.xgroup_create(STREAM, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another one was quicker
                raise

    def _next(self, position: str) -> Entry | None:
        # One at a time: so each reading is one delivery of this message alone, and a payment's stay in order.
        answer = self._stream.xreadgroup(self._group, self._name, {STREAM: position}, count=1, block=1000)
        return next((entry for _, entries in answer or () for entry in entries), None)

    def _take(self, entry_id: bytes, fields: dict[bytes, bytes]) -> None:
        deliveries = self._deliveries(entry_id)
        if deliveries > MOST_DELIVERIES:
            self._stream.xadd(DEAD_LETTERS, {**fields, "group": self._group})
        elif fields:  # else it was trimmed from the stream
            try:
                handle_once(self._database, fields[b"event"])
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                raise  # the database is unreachable, which is not the message's fault: end, and be started again
            except Exception:
                log.exception("not handled, delivery %s of %s", deliveries, entry_id.decode())
                time.sleep(PAUSE_SECONDS * 2**deliveries)
                return
        self._stream.xack(STREAM, self._group, entry_id)

    def _deliveries(self, entry_id: bytes) -> int:
        (pending,) = self._stream.xpending_range(STREAM, self._group, entry_id, entry_id, count=1)
        return int(pending["times_delivered"])


def handle_dead_letters(stream: "redis.Redis", database: Connection, group: str) -> None:
    """Handle the group's dead letters, and delete those with which that went well."""
    for entry_id, fields in stream.xrange(DEAD_LETTERS):
        if fields[b"group"].decode() == group:
            handle_once(database, fields[b"event"])
            stream.xdel(DEAD_LETTERS, entry_id)


def main(group: str, name: str) -> None:
    """Begin where the group is."""
    stream = redis.Redis.from_url(os.environ["REDIS_URL"])
    database = psycopg2.connect(os.environ["SHOP_DATABASE_URL"])
    with database, database.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS handled_message (id uuid PRIMARY KEY, at timestamptz DEFAULT now())"
        )
    if name == "--dead":
        handle_dead_letters(stream, database, group)
    else:
        Consumer(stream, database, group, name).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
