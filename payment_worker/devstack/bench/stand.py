"""Starts the servers and workers of a benchmark, sends them load, and measures it."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg2
import redis

from payment_worker.devstack.bench.load import (
    QUIET_SECONDS,
    Run,
    charge_arguments,
    measure,
    sender,
    wait_until_quiet,
)
from payment_worker.devstack.bench.stock import BROKER_URL_VARIABLE
from payment_worker.devstack.bench.webhooks import WEBHOOK_SECRET
from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import beat, python_module, webhook
from payment_worker.devstack.programs import worker as worker_program
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.pauses import READ_EVERY_SECONDS, pause, resume
from payment_worker.store.connection.database import Database
from payment_worker.store.connection.migrate import upgrade

WARM_UP: Final = 200


@dataclass(frozen=True, slots=True)
class Pool:
    """How a worker runs its tasks."""

    kind: str
    """As Celery's `--pool`."""
    slots: int
    """As Celery's `--concurrency`."""
    on_one_core: bool = False
    """As with `taskset --cpu-list 1`. Threads of one Python process use no more, and wait for its lock less."""

    def __str__(self) -> str:
        return f"{self.kind} {self.slots}{' on one core' if self.on_one_core else ''}"

    @contextmanager
    def cores(self) -> Iterator[None]:
        """Which cores a process has that is started meanwhile: it inherits them."""
        if not self.on_one_core:
            yield
            return
        all_of_them = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(all_of_them)})
        try:
            yield
        finally:
            os.sched_setaffinity(0, all_of_them)


PREFORK: Final = Pool("prefork", 2)
VOLUME: Final = Pool("threads", 64, on_one_core=True)
"""As docs/explanation/performance.md recommends for volume: 100 charges/s that take 0.3 s each need 30 threads, and 60
when Stripe takes twice as long. A thread more costs next to nothing."""


def settings_of(database_url: str, redis_url: str, stripe_url: str) -> dict[str, str]:
    """The settings of a worker at these servers."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STRIPE_API_KEY": "sk_test_bench",
        "STRIPE_API_BASE": stripe_url,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "PAYMENT_WORKER_LOG_LEVEL": "WARNING",
    }


class Bench:
    """PostgreSQL, Valkey, the simulator, and a worker at a time; beside it, if wanted, one of stock Celery's."""

    def __init__(self, stack: ExitStack) -> None:
        self.directory = Path(stack.enter_context(TemporaryDirectory()))
        self.postgresql = stack.enter_context(PostgreSQL())
        valkey = stack.enter_context(Valkey())
        self.redis_url = valkey.url()
        # The same server, and another database: neither hears the other's events.
        self._stock_url = f"{self.redis_url.rpartition('/')[0]}/1"
        self.database_url = self.postgresql.create_database("payments")
        upgrade(self.database_url)
        self._send = stack.enter_context(sender(self.redis_url))
        self._send_to_stock = stack.enter_context(sender(self._stock_url))
        self.simulator = Simulator.start(self.directory)
        stack.callback(self.simulator.stop)
        self._settings = settings_of(self.database_url, self.redis_url, self.simulator.url)

    @contextmanager
    def worker(self, pool: Pool) -> Iterator[Process]:
        """Our worker, warm."""
        program = worker_program(
            self._settings,
            directory=self.directory,
            pool=pool.kind,
            concurrency=pool.slots,
            arguments=("--include", "payment_worker.devstack.bench.empty"),
        )
        with pool.cores():
            program.start()
        with program as process:
            process.wait_ready()
            self.charges(process, WARM_UP)
            self.empties(process, WARM_UP)
            yield process
            self._require_nothing_rejected()
            # Not killed: what it had in hand would count as enqueued for the next one until the visibility timeout.
            process.stop()

    def _require_nothing_rejected(self) -> None:
        """What was rejected was not run, and what it cost is no figure."""
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*), min(errors::text) FROM rejected_request")
            rejected, errors = cursor.fetchone() or (0, None)
        connection.close()
        if rejected:
            raise RuntimeError(f"{rejected} tasks of the bench were rejected: {errors}")

    @contextmanager
    def stock_worker(self, pool: Pool) -> Iterator[Process]:
        """Celery's own worker, warm, which sends task events as ours does."""
        program = python_module(
            *("celery", "--app", "payment_worker.devstack.bench.stock", "worker", "--task-events"),
            *("--pool", pool.kind, "--concurrency", str(pool.slots), "--loglevel", "WARNING"),
            directory=self.directory,
            name="stock",
            ready=r"\bready\b|celery@",
            settings={BROKER_URL_VARIABLE: self._stock_url},
        )
        with pool.cores():
            program.start()
        with program as process:
            process.wait_ready()
            self.stock_empties(process, WARM_UP)
            yield process

    @contextmanager
    def receiver(self) -> Iterator[tuple[Process, int]]:
        """The webhook receiver, and its port."""
        port = free_port()
        with webhook(self._settings, directory=self.directory, port=port).start() as process:
            process.wait_ready()
            yield process, port

    @contextmanager
    def beat(self, **settings: str) -> Iterator[Process]:
        """Beat, with the schedule that it has by default and these settings."""
        with beat({**self._settings, **settings}, directory=self.directory).start() as process:
            process.wait_ready()
            yield process

    @contextmanager
    def webhooks_to(self, port: int) -> Iterator[None]:
        """Have Stripe send its webhooks there."""
        url = f"http://{LOOPBACK}:{port}/webhooks/stripe"
        endpoint = self.simulator.post("webhooks/endpoints", {"url": url, "secrets": [WEBHOOK_SECRET]})
        yield
        self.simulator.delete(f"webhooks/endpoints/{endpoint['id']}")

    def send_charges(self, tasks: int) -> None:
        """Enqueue so many charges at once."""
        for _ in range(tasks):
            self._send("payment_worker.charge", "charges", charge_arguments())

    def wait_for_charges(self) -> None:
        """Wait until no charge is enqueued or under way."""
        wait_until_quiet(self.redis_url)

    def wait_for_events(self, count: int) -> None:
        """Wait until so many events were finished."""
        wait_until(lambda: self.finished_events() >= count, seconds=QUIET_SECONDS, what=f"{count} events")

    def process_events(self) -> None:
        """Tell the worker that there are new events, and wait until they are processed."""
        self._send("payment_worker.process_events", "events", {})
        wait_until(lambda: not self.waiting_events(), seconds=QUIET_SECONDS, what="all events processed")

    def forget_messages(self, queue: str) -> None:
        """Lose what is enqueued."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.delete(queue)

    def finished_events(self) -> int:
        """How many events are not waiting any more."""
        return self._count("finished_at IS NOT NULL")

    def waiting_events(self) -> int:
        """How many events are."""
        return self._count("finished_at IS NULL")

    def _count(self, condition: str) -> int:
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM stripe_event WHERE {condition}")  # noqa: S608 one of the two above
            (count,) = cursor.fetchone() or (0,)
        connection.close()
        return int(count)

    def held_charges(self, tasks: int) -> float:
        """Let so many charges wait for the end of a pause: how many a second are executed then, from first to last."""
        with closing(Database(self.database_url)) as database:
            pause(database, "charge", reason="bench", actor="bench", now=database.now())
            time.sleep(READ_EVERY_SECONDS)
            self.send_charges(tasks)
            self.wait_for_charges()
            resumed_at = database.now()
            resume(database, ["charge"], reason="bench", actor="bench", now=resumed_at)
        wait_until(
            lambda: self._finished_since(resumed_at)[0] >= tasks,
            seconds=QUIET_SECONDS,
            what="all that waited is charged",
        )
        count, seconds = self._finished_since(resumed_at)
        return (count - 1) / seconds

    def _finished_since(self, then: datetime) -> tuple[int, float]:
        """How many attempts, and how long after the first of them the last one was."""
        query = (
            "SELECT count(*), coalesce(extract(epoch FROM max(finished_at) - min(finished_at)), 0)"
            " FROM payment_attempt WHERE finished_at > %s"
        )
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute(query, (then,))
            count, seconds = cursor.fetchone() or (0, 0)
        connection.close()
        return int(count), float(seconds)

    def charges(self, process: Process, tasks: int) -> Run:
        """So many charges at once."""
        return measure(
            process,
            self.redis_url,
            tasks=tasks,
            send=lambda: self._send("payment_worker.charge", "charges", charge_arguments()),
        )

    def empties(self, process: Process, tasks: int) -> Run:
        """So many tasks that do nothing."""
        return measure(
            process,
            self.redis_url,
            tasks=tasks,
            send=lambda: self._send("payment_worker.empty", "maintenance", {}),
        )

    def stock_empties(self, process: Process, tasks: int) -> Run:
        """So many tasks of stock Celery's that do nothing."""
        return measure(
            process,
            self._stock_url,
            tasks=tasks,
            send=lambda: self._send_to_stock("stock.empty", "celery", {}),
        )

    def paced(self, *, rate: float, tasks: int) -> list[float]:
        """Milliseconds from enqueueing to the record, sorted, at so many charges a second."""
        sent: dict[str, datetime] = {}
        started = time.monotonic()
        for n in range(tasks):
            time.sleep(max(0.0, started + n / rate - time.monotonic()))
            arguments = charge_arguments()
            sent[arguments["payment_id"]] = datetime.now(tz=UTC)
            self._send("payment_worker.charge", "charges", arguments)
        wait_until_quiet(self.redis_url)
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT payment_id::text, updated_at FROM payment WHERE status = 'SUCCEEDED'")
            ended = dict(cursor.fetchall())
        connection.close()
        return sorted((ended[each] - at).total_seconds() * 1000 for each, at in sent.items())
