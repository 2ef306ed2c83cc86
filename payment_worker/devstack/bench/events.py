"""Measures what events cost from the socket until they are finished, and a charge with all of its events."""

import time
from contextlib import ExitStack
from typing import Final

from payment_worker.devstack.bench.figures import Figure
from payment_worker.devstack.bench.load import cpu_seconds, family
from payment_worker.devstack.bench.stand import PREFORK, VOLUME, WARM_UP, Bench
from payment_worker.devstack.bench.webhooks import deliver, request
from payment_worker.devstack.processes import Process

EVENTS_OF_A_CHARGE: Final = 4
"""`payment_intent.created`, `charge.succeeded`, `payment_intent.succeeded`, and `charge.updated` with its fee."""

LIVES: Final = 2
"""Times as many charges with their events as other tasks, so that the start and the end of the load weigh less."""

LATER_SECONDS: Final = 60.0
"""Of Stripe's time, after which it has created all events of a charge."""


def events(*, tasks: int) -> list[Figure]:
    """All figures about events, on servers of their own."""
    with ExitStack() as stack:
        bench = Bench(stack)
        return [*whole_life(bench, LIVES * tasks), *each_event(bench, tasks)]


def whole_life(bench: Bench, tasks: int) -> list[Figure]:
    """Charges whose webhooks Stripe sends meanwhile, with beat running, until all is recorded."""
    with (
        bench.worker(VOLUME) as worker,
        bench.receiver() as (receiver, port),
        bench.beat() as beat,
        bench.webhooks_to(port),
    ):
        _live(bench, WARM_UP)
        cpu, began = _cpu(worker, receiver, beat), time.monotonic()
        _live(bench, tasks)
        seconds = time.monotonic() - began
        milliseconds = (_cpu(worker, receiver, beat) - cpu) / tasks * 1000
    return [
        Figure(f"charge with all its events, {VOLUME}", "CPU ms", milliseconds, at_most=8),
        Figure("charges with all their events", "a second", tasks / seconds, at_least=120),
    ]


def _live(bench: Bench, tasks: int) -> None:
    events = bench.finished_events() + EVENTS_OF_A_CHARGE * tasks
    bench.send_charges(tasks)
    bench.wait_for_charges()
    bench.simulator.advance(LATER_SECONDS)
    bench.wait_for_events(events)


def each_event(bench: Bench, tasks: int) -> list[Figure]:
    """Events of recorded charges: acknowledged first, and processed when a worker comes, as after an outage."""
    with bench.worker(PREFORK) as worker:
        bench.charges(worker, tasks)
    bench.simulator.advance(LATER_SECONDS)
    events = bench.simulator.get("events")["data"][-EVENTS_OF_A_CHARGE * tasks :]
    with bench.receiver() as (receiver, port):
        requests = [request(each) for each in events]
        cpu, began = _cpu(receiver), time.monotonic()
        deliver(requests, port=port)
        acknowledged = len(requests) / (time.monotonic() - began)
        receiving = (_cpu(receiver) - cpu) / len(requests) * 1000
    bench.forget_messages("events")
    waiting = bench.waiting_events()
    with bench.worker(PREFORK) as worker:
        cpu, began = _cpu(worker), time.monotonic()
        bench.process_events()
        processed = waiting / (time.monotonic() - began)
        processing = (_cpu(worker) - cpu) / waiting * 1000
    return [
        Figure("event, receiver", "CPU ms", receiving, at_most=0.9),
        Figure(f"event, worker, {PREFORK}", "CPU ms", processing, at_most=0.5),
        Figure("events acknowledged", "a second", acknowledged, at_least=1000),
        Figure(f"events processed, {PREFORK}", "a second", processed, at_least=1000),
    ]


def _cpu(*processes: Process) -> float:
    return sum(cpu_seconds(family(each)) for each in processes)
