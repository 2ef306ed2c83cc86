"""Measures what each operation costs on tables of millions of rows, beside the same on a small database.

It fills a database by SQL, which takes about 3.6 GB for each million payments, and then runs the operations on both
databases in turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import Any, Final

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from payment_worker.devstack.bench.stand import settings_of
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.store.connection.migrate import upgrade

SMALL: Final = 10_000
TURNS: Final = 5
CHARGES: Final = 200
REPEATED: Final = 20
"""For what takes a few milliseconds: the system counts CPU time in hundredths of a second."""

SERVER: Final = {
    "shared_buffers": "4GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "fsync": "off",
    "full_page_writes": "off",
}
"""On the disk, unlike the servers of tests: there is more than memory holds. Nothing of it has to survive."""


KEPT: Final = {
    f"PAYMENT_WORKER_RETENTION_{what}": str(10 * 365 * 86_400) for what in ("EVENTS", "OUTBOX", "REPORTS")
}
"""Seconds. Longer than the oldest row is old: pruning finds nothing that is due."""

# Payments four seconds apart, the newest of them a day old; ids as random as ours.
_WHEN: Final = "now() - interval '1 day' - i * interval '4 seconds'"
_ID: Final = "md5('p' || i)::uuid"
_ROWS: Final[Mapping[str, str]] = {
    "payment": f"""
        (payment_id, order_id, customer_id, amount, currency, status, amount_authorized, amount_captured,
         stripe_payment_intent_id, stripe_charge_id, payment_method, capture_method, fingerprint, created_at,
         updated_at)
        SELECT {_ID}, 'order-' || i, 'customer-' || i % 100000, 1099, 'EUR', 'SUCCEEDED', 1099, 1099,
         'pi_' || md5(i::text), 'ch_' || md5(i::text), 'pm_card_visa', 'automatic', md5('f' || i), {_WHEN}, {_WHEN}""",
    "payment_attempt": f"""
        (payment_id, number, action, path, parameters, idempotency_key, status, first_sent_at, sent_until, created_at,
         finished_at)
        SELECT {_ID}, 1, 'charge', '/v1/payment_intents', repeat('x', 300), 'payment_worker-' || md5('k' || i),
         'EXECUTED', {_WHEN}, {_WHEN}, {_WHEN}, {_WHEN}""",
    "payment_history": f"""
        (payment_id, from_status, to_status, cause, actor, recorded_at)
        SELECT {_ID}, from_status, to_status, 'requested', 'payment_worker.charge', {_WHEN}
        FROM (VALUES (NULL, 'REQUESTED'), ('REQUESTED', 'SUCCEEDED')) AS step (from_status, to_status),""",  # noqa: S608 constants of ours
    "stripe_event": f"""
        (event_id, type, api_version, livemode, object_id, payload, status, outcome, source, created_at, received_at,
         finished_at)
        SELECT 'evt_' || md5(i::text), 'payment_intent.succeeded', '2026-06-24', false, 'pi_' || md5(i::text),
         jsonb_build_object('object', 'event', 'data', repeat(md5(i::text), 20)), 'PROCESSED', 'UNCHANGED', 'webhook',
         {_WHEN}, {_WHEN}, {_WHEN}""",
    "outbox": f"""
        (message_id, payment_id, type, data, occurred_at, published_at)
        SELECT md5('m' || i)::uuid, {_ID}, 'PaymentSucceeded', jsonb_build_object('amount', 1099), {_WHEN}, {_WHEN}""",
}


def fill(database_url: str, rows: int) -> None:
    """Fill the tables that grow with so many payments and what belongs to them, and analyze them."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET session_replication_role = replica")  # no foreign keys are checked
        for table, insert in _ROWS.items():
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"
                " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
                (table,),
            )
            indices = cursor.fetchall()
            for name, _ in indices:
                cursor.execute(f"DROP INDEX {name}")
            numbers = f"generate_series(1, {rows}) AS i"
            joined = insert if insert.rstrip().endswith(",") else f"{insert} FROM"
            cursor.execute(f"INSERT INTO {table} {joined} {numbers}")
            for _, definition in indices:
                cursor.execute(definition)
            cursor.execute(f"VACUUM ANALYZE {table}")
            Console(stderr=True).log(f"{table} filled for {rows:,} payments")


def operations() -> dict[str, Callable[[], object]]:
    """What is measured, by name: run in a process whose environment has the settings."""
    from payment_worker import bootstrap  # noqa: PLC0415 it reads the settings
    from payment_worker.contracts.requests import ChargeRequest, RefundRequest, parse  # noqa: PLC0415
    from payment_worker.devstack.bench.load import charge_arguments  # noqa: PLC0415
    from payment_worker.flows.commands.charge import charge  # noqa: PLC0415
    from payment_worker.flows.commands.refund import refund  # noqa: PLC0415
    from payment_worker.monitoring.database import read as read_gauges  # noqa: PLC0415
    from payment_worker.tasks import events, maintenance, reconciliation  # noqa: PLC0415

    context = bootstrap.context(actor="bench")
    charged: list[str] = []
    began = context.clock().isoformat()

    def charges() -> None:
        for _ in range(CHARGES):
            arguments = charge_arguments()
            charge(context, parse(ChargeRequest, arguments, ()))
            charged.append(arguments["payment_id"])

    def refunds() -> None:
        for payment_id in charged:
            arguments = {"payment_id": payment_id, "amount": 10, "refund_id": payment_id}
            refund(context, parse(RefundRequest, arguments, ()))

    def gauges() -> None:
        with context.database.begin() as connection:
            list(read_gauges(connection, now=context.clock()))

    return {
        f"{CHARGES} charges": charges,
        f"{CHARGES} refunds": refunds,
        "poll of their events": reconciliation.poll_stripe_events.apply,
        "their events": events.process_events.apply,
        f"{REPEATED} sweeps": _repeated(maintenance.resume_stalled.apply),
        "relay of their messages": maintenance.publish_events.apply,
        "reconciliation of them": lambda: reconciliation.reconcile.apply(kwargs={"since": began}),
        f"{REPEATED} prunes, of which nothing is due": _repeated(maintenance.prune.apply),
        f"{REPEATED} times the gauges of /metrics": _repeated(gauges),
        "`show`": lambda: _command("show", charged[-1]),
        "`report`": lambda: _command("report"),
        "`doctor`": lambda: _command("doctor"),
    }


def _repeated(run: Callable[[], object]) -> Callable[[], object]:
    return lambda: [run() for _ in range(REPEATED)]


def _command(*arguments: str) -> None:
    command = [sys.executable, "-m", "payment_worker", *arguments]
    subprocess.run(command, check=False, capture_output=True)  # noqa: S603 our own


def measure(postmaster: int) -> dict[str, float]:
    """CPU milliseconds of each operation: of this process, of the commands it runs, and of PostgreSQL."""
    measured: dict[str, float] = {}
    for name, run in operations().items():
        before = _cpu(postmaster)
        run()
        time.sleep(0.3)  # a process that ended counts once its parent has noticed it
        measured[name] = (_cpu(postmaster) - before) * 1000
    return measured


def _cpu(postmaster: int) -> float:
    server = psutil.Process(postmaster)
    return sum(
        sum(process.cpu_times()[:4])
        if process.pid in {server.pid, os.getpid()}
        else sum(process.cpu_times()[:2])
        for process in (psutil.Process(), server, *server.children())
    )


def main() -> int:
    """Fill, measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="payments of the large database")
    parser.add_argument("--measure", type=int, metavar="POSTMASTER", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        sys.stdout.write(json.dumps(measure(chosen.measure)) + "\n")
        return 0
    with ExitStack() as stack:
        server = stack.enter_context(PostgreSQL(settings=SERVER))
        postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
        redis_url = stack.enter_context(Valkey()).url()
        turns: dict[int, list[dict[str, float]]] = {SMALL: [], chosen.rows: []}
        settings = {}
        for number, rows in enumerate(turns):
            database_url = server.create_database(f"payments_{rows}")
            upgrade(database_url)
            fill(database_url, rows)
            simulator = Simulator.start(server.directory)
            stack.callback(simulator.stop)
            queues = f"{redis_url.rpartition('/')[0]}/{number}"
            settings[rows] = settings_of(database_url, queues, simulator.url)
        for turn in range(TURNS + 1):
            for rows, measured in turns.items():
                figures = _measured(settings[rows], postmaster)
                if turn:  # the first one reads pages from the disk
                    measured.append(figures)
    Console().print(_table(turns, chosen.rows))
    return 0


def _measured(settings: Mapping[str, str], postmaster: int) -> dict[str, float]:
    command = [sys.executable, "-m", "payment_worker.devstack.bench.growth", "--measure", str(postmaster)]
    ended = subprocess.run(  # noqa: S603 ourselves
        command, env={**os.environ, **settings, **KEPT}, check=True, capture_output=True, text=True
    )
    figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def _table(turns: Mapping[int, list[dict[str, Any]]], rows: int) -> Table:
    table = Table("operation", f"{SMALL:,}", f"{rows:,}", "ratio", title="CPU ms, with PostgreSQL's")
    for name in turns[SMALL][0]:
        small, large = (statistics.median(each[name] for each in turns[size]) for size in (SMALL, rows))
        table.add_row(name, f"{small:.0f}", f"{large:.0f}", f"{large / small:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
