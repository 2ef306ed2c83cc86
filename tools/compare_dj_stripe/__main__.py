"""Has dj-stripe and ours process the same events over HTTP, and compares their CPU: `make compare-dj-stripe`."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from payment_worker.devstack.bench.load import SETTLE_SECONDS, charge_arguments, cpu_seconds, family, sender
from payment_worker.devstack.bench.stand import PREFORK, Bench
from payment_worker.devstack.bench.webhooks import WEBHOOK_SECRET, deliver, request
from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import clean_environment

HERE: Final = Path(__file__).parent
WARM_UP: Final = 200
REFUNDED: Final = 5
"""Of so many payments one is refunded."""
LATER_SECONDS: Final = 60.0
"""Of Stripe's time, after which it has created all events."""
FIGURES: Final = (
    ("event, receiver", "CPU ms"),
    ("event, worker", "CPU ms"),
    ("event, both", "CPU ms"),
    ("event, PostgreSQL", "CPU ms"),
    ("events acknowledged", "a second"),
    ("events processed", "a second"),
)
OUR_EVENTS: Final = "SELECT event_id FROM stripe_event WHERE status IN ('PROCESSED', 'IGNORED')"
ITS_ROWS: Final = " UNION ".join(
    f"SELECT id FROM djstripe_{name}"  # noqa: S608 these
    for name in ("event", "paymentintent", "charge")
)

Events = Sequence[dict[str, Any]]


def compare(payments: int, python: Path) -> tuple[int, list[float], list[float]]:
    """How many events were processed, and the figures of dj-stripe and of ours."""
    with ExitStack() as stack:
        bench = Bench(stack)
        with bench.worker(PREFORK) as worker, bench.receiver() as (receiver, port):
            warm_up, events = _events(bench, payments)
            deliver([request(each) for each in warm_up], port=port)
            bench.wait_for_events(len(warm_up))
            count = len(warm_up) + len(events)
            ours = _measure(bench, events, port, (receiver, worker), lambda: bench.wait_for_events(count))
            _require(bench.database_url, OUR_EVENTS, {each["id"] for each in events})
        with _dj_stripe(bench, python) as (server, port, database_url):
            deliver([request(each) for each in warm_up], port=port)
            # It responds when an event is processed: nothing is left to wait for.
            theirs = _measure(bench, events, port, (server,), lambda: None)
            objects = [each["data"]["object"] for each in events]
            # It stores events about refunds, but no refunds.
            ids = {each["id"] for each in (*events, *objects) if each["object"] != "refund"}
            _require(database_url, ITS_ROWS, ids)
    return len(events), theirs, ours


def _events(bench: Bench, payments: int) -> tuple[Events, Events]:
    """Some events to warm up with, and all of so many payments of which some were refunded."""
    bench.simulator.advance(LATER_SECONDS)
    before = bench.simulator.events()
    charges = [charge_arguments() for _ in range(payments)]
    with sender(bench.redis_url) as send:
        for each in charges:
            send("payment_worker.charge", "charges", each)
        bench.wait_for_charges()
        for each in charges[::REFUNDED]:
            arguments = {"payment_id": each["payment_id"], "refund_id": each["order_id"]}
            send("payment_worker.refund", "refunds", arguments)
        bench.wait_for_charges()
    bench.simulator.advance(LATER_SECONDS)
    return before[-WARM_UP:], bench.simulator.events()[len(before) :]


def _measure(
    bench: Bench, events: Events, port: int, processes: Sequence[Process], wait: Callable[[], None]
) -> list[float]:
    """The figures, while the first of these processes receives the events, and it or others process them."""

    def cpu() -> list[float]:
        receiver, *worker = (cpu_seconds(family(each)) for each in processes)
        return [receiver, sum(worker), receiver + sum(worker), _postgresql_cpu_seconds(bench)]

    requests = [request(each) for each in events]
    before, began = cpu(), time.monotonic()
    deliver(requests, port=port)
    acknowledged = time.monotonic()
    wait()
    processed = time.monotonic()
    time.sleep(SETTLE_SECONDS)
    spent = [now - then for then, now in zip(before, cpu(), strict=True)]
    return [
        *(seconds / len(events) * 1000 for seconds in spent),
        *(len(events) / (ended - began) for ended in (acknowledged, processed)),
    ]


def _postgresql_cpu_seconds(bench: Bench) -> float:
    """Of all its processes, also of those that have ended."""
    server = bench.postgresql.process
    return float(sum(psutil.Process(server.pid).cpu_times()[:4])) + cpu_seconds(server.descendants())


@contextmanager
def _dj_stripe(bench: Bench, python: Path) -> Iterator[tuple[Process, int, str]]:
    """One process of dj-stripe's under gunicorn, its port and its database."""
    port, database_url = free_port(), bench.postgresql.create_database("dj_stripe")
    environ = clean_environment(
        {
            "COMPARED_DATABASE_URL": database_url,
            "COMPARED_STRIPE_URL": bench.simulator.url,
            "COMPARED_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
    )
    log = bench.directory / "dj-stripe.log"
    create_tables = Process([python, HERE / "django_project.py"], log=log, environ=environ, cwd=HERE)
    if create_tables.start().wait(60):
        raise RuntimeError(create_tables.tail())
    # This class keeps connections open, which the default does not.
    options = ("--worker-class", "gthread", "--threads", "1", "--workers", "1", "--no-control-socket")
    server = Process(
        [python, "-m", "gunicorn", "django_project", "--bind", f"{LOOPBACK}:{port}", *options],
        log=log,
        ready=lambda: answers(port),
        environ=environ,
        cwd=HERE,
    )
    with server.start():
        try:
            yield server.wait_ready(), port, database_url
        except Exception as error:
            raise RuntimeError(server.tail()) from error


def _require(database_url: str, query: str, ids: set[str]) -> None:
    """What was not processed costs nothing, and is no figure."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        if missing := ids - {each for (each,) in cursor}:
            raise RuntimeError(f"{len(missing)} of {len(ids)} are missing: {query}")


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=Path, help="of an environment with the packages of requirements.txt")
    parser.add_argument("--payments", type=int, default=400, help="whose events are processed")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args()
    count, theirs, ours = compare(chosen.payments, chosen.python.absolute())
    table = Table("figure", "unit", "dj-stripe", "ours", "ours : dj-stripe", title=f"the same {count} events")
    rows = []
    for (figure, unit), its, our in zip(FIGURES, theirs, ours, strict=True):
        table.add_row(figure, unit, f"{its:.2f}", f"{our:.2f}", f"{our / its:.3g}" if its else "")
        rows.append({"figure": figure, "unit": unit, "dj_stripe": round(its, 3), "ours": round(our, 3)})
    if chosen.json:
        sys.stdout.write(json.dumps({"events": count, "figures": rows}, indent=2) + "\n")
    else:
        Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
