"""Runs `make bench`: CPU and rate of charges with their events, beside stock Celery's empty task, and latency."""

import argparse
import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from payment_worker.devstack.bench.compare import compare
from payment_worker.devstack.bench.events import events
from payment_worker.devstack.bench.figures import Figure, as_json, as_table
from payment_worker.devstack.bench.load import cpu_seconds, memory_megabytes
from payment_worker.devstack.bench.stand import PREFORK, VOLUME, Bench, Pool
from payment_worker.devstack.processes import descendants

ROOT: Final = Path(__file__).parents[3]

TURNS: Final = 5
"""Ratios are medians of so many turns, so that a machine whose speed drifts favours neither."""

TURNS_OF_BACKLOG: Final = 3
"""Fewer, because each takes a minute."""

TIMES_HELD: Final = 3
"""Times as many charges wait for the end of a pause as come by themselves: with 1,000 tasks, more than the 2,000 that
one sweep enqueues."""

NEVER: Final = "86400"
"""Seconds between two polls."""

STRIPES_LATENCY_SECONDS: Final = 0.3
VOLUME_RATE: Final = 100.0
CORES: Final = 2
"""The machine that the goals are for."""


def run(*, tasks: int) -> list[Figure]:
    """All figures, from one run."""
    headline = events(tasks=tasks)
    with ExitStack() as stack:
        bench = Bench(stack)
        return [
            *headline,
            *costs(bench, VOLUME, tasks),
            *costs(bench, PREFORK, tasks),
            backlog(bench, VOLUME, tasks),
            backlog(bench, PREFORK, tasks),
            *delays(bench),
            *volume(bench, tasks),
        ]


def costs(bench: Bench, pool: Pool, tasks: int) -> list[Figure]:
    """What a charge and an empty task cost beside stock Celery's in the same pool, in turns."""
    with bench.worker(pool) as ours, bench.stock_worker(pool) as stock:
        turns = [
            (bench.stock_empties(stock, tasks), bench.empties(ours, tasks), bench.charges(ours, tasks))
            for _ in range(TURNS)
        ]
    its, empty, charge = ([each.cpu_milliseconds for each in runs] for runs in zip(*turns, strict=True))
    rate = statistics.median(runs[2].rate for runs in turns)
    ratio, milliseconds = "worker CPU", "worker CPU ms"
    return [
        Figure(f"charge : stock empty task, {pool}", ratio, _ratio(charge, its), at_most=2.0),
        Figure(f"empty task : stock empty task, {pool}", ratio, _ratio(empty, its), at_most=0.7),
        Figure(f"charge, {pool}", milliseconds, statistics.median(charge)),
        Figure(f"empty task, {pool}", milliseconds, statistics.median(empty)),
        Figure(f"stock empty task, {pool}", milliseconds, statistics.median(its)),
        Figure(f"charges, {pool}", "a second", rate),
    ]


def backlog(bench: Bench, pool: Pool, tasks: int) -> Figure:
    """How fast what waited for the end of a pause is charged, beside what is charged as it comes, in turns."""
    # Nobody delivers the events of these charges. A poll would import them by the thousand, beside one of the two.
    with bench.worker(pool) as process, bench.beat(PAYMENT_WORKER_POLL_EVERY=NEVER):
        turns = [
            (bench.held_charges(TIMES_HELD * tasks), bench.charges(process, tasks).rate)
            for _ in range(TURNS_OF_BACKLOG)
        ]
    ratio = statistics.median(held / ordinary for held, ordinary in turns)
    return Figure(f"charges after a pause : as they come, {pool}", "% of the rate", 100 * ratio, at_least=90)


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


def delays(bench: Bench) -> list[Figure]:
    """How soon a charge is recorded, when Stripe answers at once."""
    with bench.worker(PREFORK):
        delays = bench.paced(rate=50, tasks=500)
    return [
        Figure("recorded after, at 50/s, median", "ms", statistics.median(delays), at_most=10),
        Figure("recorded after, at 50/s, p99", "ms", delays[int(len(delays) * 0.99)], at_most=50),
    ]


def volume(bench: Bench, tasks: int) -> list[Figure]:
    """How many charges a second, and with how much of a small machine, when each call to Stripe takes 300 ms."""
    bench.simulator.post("settings", {"latency_seconds": STRIPES_LATENCY_SECONDS})
    with bench.worker(VOLUME) as process:
        rate = bench.charges(process, tasks).rate
        cpu = _all_cpu_seconds()
        bench.paced(rate=VOLUME_RATE, tasks=tasks)
        # Of their CPU time, not of the clock's: also true on a machine that is too busy to keep this rate.
        busy = (_all_cpu_seconds() - cpu) / tasks * VOLUME_RATE / CORES
        memory = memory_megabytes(process) / VOLUME.slots
    return [
        Figure(f"charges, {VOLUME}, Stripe takes 300 ms", "a second", rate, at_least=100),
        Figure("idle of two cores, at 100/s of these", "%", 100 * (1 - busy), at_least=50),
        Figure(f"memory for each of {VOLUME.slots} in flight", "MB", memory, at_most=2.0),
    ]


def _all_cpu_seconds() -> float:
    """CPU time of the servers, the simulator and the worker, but not of the app that sends to them: this process."""
    return cpu_seconds(descendants(os.getpid()))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000, help="tasks in each load")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--compare", metavar="REF", help="bench this commit and the working tree in turns")
    chosen = parser.parse_args()
    if chosen.compare:
        Console().print(compare(chosen.compare, tasks=chosen.tasks, root=ROOT))
        return 0
    figures = run(tasks=chosen.tasks)
    if chosen.json:
        sys.stdout.write(as_json(figures) + "\n")
    else:
        Console().print(as_table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
