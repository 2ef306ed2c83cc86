"""`make bench`: what a charge costs beside an empty task, how many a second, and how soon it is recorded."""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from payment_worker.devstack.bench.load import Run, charge_arguments, is_quiet, measure, sender
from payment_worker.devstack.postgresql import PostgreSQL
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import worker as worker_program
from payment_worker.devstack.simulator import Simulator
from payment_worker.devstack.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from payment_worker.store.migrate import upgrade

WARM_UP = 200
STRIPES_LATENCY_SECONDS = 0.3


class Bench:
    """The servers, and a worker at a time."""

    def __init__(self, stack: ExitStack) -> None:
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgresql = stack.enter_context(PostgreSQL())
        self.redis_url = stack.enter_context(Valkey()).url()
        self.database_url = postgresql.create_database("payments")
        upgrade(self.database_url)
        self.send = stack.enter_context(sender(self.redis_url))
        self.simulator = Simulator.start(self.directory)
        stack.callback(self.simulator.stop)
        self.settings = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "STRIPE_API_KEY": "sk_test_bench",
            "STRIPE_API_BASE": self.simulator.url,
            "PAYMENT_WORKER_LOG_LEVEL": "WARNING",
        }

    @contextmanager
    def worker(self, *, pool: str, concurrency: int) -> Iterator[Process]:
        """A worker that is warm."""
        program = worker_program(
            self.settings,
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

    def charges(self, process: Process, tasks: int) -> Run:
        """So many charges at once."""
        return measure(
            process,
            self.redis_url,
            tasks=tasks,
            send=lambda: self.send("payment_worker.charge", "charges", charge_arguments()),
        )

    def empties(self, process: Process, tasks: int) -> Run:
        """So many tasks that do nothing."""
        return measure(
            process,
            self.redis_url,
            tasks=tasks,
            send=lambda: self.send("payment_worker.empty", "maintenance", {}),
        )

    def paced(self, *, rate: float, tasks: int) -> list[float]:
        """Milliseconds from enqueueing to the record, at so many charges a second."""
        sent: dict[str, datetime] = {}
        started = time.monotonic()
        for n in range(tasks):
            time.sleep(max(0.0, started + n / rate - time.monotonic()))
            arguments = charge_arguments()
            sent[arguments["payment_id"]] = datetime.now(tz=UTC)
            self.send("payment_worker.charge", "charges", arguments)
        wait_until(lambda: is_quiet(self.redis_url), seconds=60, what="all tasks done")
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT payment_id::text, updated_at FROM payment WHERE status = 'SUCCEEDED'")
            ended = dict(cursor.fetchall())
        connection.close()
        return [(ended[each] - at).total_seconds() * 1000 for each, at in sent.items()]


def run(*, tasks: int) -> dict[str, float]:
    """All figures, from one run."""
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        bench = Bench(stack)
        with bench.worker(pool="prefork", concurrency=2) as process:
            # In turns, so that a machine whose speed drifts does not favour one of the two.
            ratios = []
            for _ in range(3):
                empty, charge = bench.empties(process, tasks), bench.charges(process, tasks)
                ratios.append(charge.cpu_milliseconds / empty.cpu_milliseconds)
                figures |= {
                    "empty task, worker CPU ms": empty.cpu_milliseconds,
                    "charge, worker CPU ms": charge.cpu_milliseconds,
                    "charges a second, prefork 2": charge.rate,
                }
            figures["charge : empty task, CPU (median of 3)"] = statistics.median(ratios)
            latencies = sorted(bench.paced(rate=50, tasks=500))
            figures["recorded after ms at 50/s, median"] = statistics.median(latencies)
            figures["recorded after ms at 50/s, p99"] = latencies[int(len(latencies) * 0.99)]
        bench.simulator.post("settings", {"latency_seconds": STRIPES_LATENCY_SECONDS})
        with bench.worker(pool="threads", concurrency=50) as process:
            psutil.cpu_percent()
            figures["charges a second, threads 50, Stripe takes 300 ms"] = bench.charges(process, tasks).rate
            figures["machine idle meanwhile, %"] = 100 - psutil.cpu_percent()
    return figures


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000, help="tasks in each load")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args()
    figures = run(tasks=chosen.tasks)
    if chosen.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return 0
    table = Table("what", "measured", title="One run on this machine")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
