"""Starts the servers and workers of a benchmark."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg2

from payment_worker.devstack.bench.load import Run, charge_arguments, measure, sender, wait_until_quiet
from payment_worker.devstack.bench.stock import BROKER_URL_VARIABLE
from payment_worker.devstack.postgresql import PostgreSQL
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import python_module
from payment_worker.devstack.programs import worker as worker_program
from payment_worker.devstack.simulator import Simulator
from payment_worker.devstack.valkey import Valkey
from payment_worker.store.connection.migrate import upgrade

WARM_UP: Final = 200


class Bench:
    """PostgreSQL, Valkey, the simulator, and a worker at a time; beside it, if wanted, one of stock Celery's."""

    def __init__(self, stack: ExitStack) -> None:
        self.directory = Path(stack.enter_context(TemporaryDirectory()))
        postgresql = stack.enter_context(PostgreSQL())
        valkey = stack.enter_context(Valkey())
        self.redis_url = valkey.url()
        # The same server, and another database: neither hears the other's events.
        self._stock_url = f"{self.redis_url.rpartition('/')[0]}/1"
        self.database_url = postgresql.create_database("payments")
        upgrade(self.database_url)
        self._send = stack.enter_context(sender(self.redis_url))
        self._send_to_stock = stack.enter_context(sender(self._stock_url))
        self.simulator = Simulator.start(self.directory)
        stack.callback(self.simulator.stop)
        self._settings = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "STRIPE_API_KEY": "sk_test_bench",
            "STRIPE_API_BASE": self.simulator.url,
            "PAYMENT_WORKER_LOG_LEVEL": "WARNING",
        }

    @contextmanager
    def worker(self, *, pool: str, concurrency: int) -> Iterator[Process]:
        """Our worker, warm."""
        program = worker_program(
            self._settings,
            directory=self.directory,
            pool=pool,
            concurrency=concurrency,
            arguments=("--include", "payment_worker.devstack.bench.empty"),
        )
        with program.start() as process:
            process.wait_ready()
            self.charges(process, WARM_UP)
            self.empties(process, WARM_UP)
            yield process
            self._require_nothing_rejected()

    def _require_nothing_rejected(self) -> None:
        """What was rejected was not run, and what it cost is no figure."""
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*), min(errors::text) FROM rejected_request")
            rejected, errors = cursor.fetchone() or (0, None)
        connection.close()
        if rejected:
            raise RuntimeError(f"{rejected} tasks of the bench were rejected: {errors}")

    @contextmanager
    def stock_worker(self, *, pool: str, concurrency: int) -> Iterator[Process]:
        """Celery's own worker, warm, which sends task events as ours does."""
        program = python_module(
            *("celery", "--app", "payment_worker.devstack.bench.stock", "worker", "--task-events"),
            *("--pool", pool, "--concurrency", str(concurrency), "--loglevel", "WARNING"),
            directory=self.directory,
            name="stock",
            ready=r"\bready\b|celery@",
            settings={BROKER_URL_VARIABLE: self._stock_url},
        )
        with program.start() as process:
            process.wait_ready()
            self.stock_empties(process, WARM_UP)
            yield process

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
