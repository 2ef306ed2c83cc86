"""Runs one chaos test: sends requests under faults, waits until all work is finished, checks the invariants."""

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Final

from sqlalchemy import Engine

from payment_worker.devstack.chaos import report
from payment_worker.devstack.chaos.checker import reconciliation
from payment_worker.devstack.chaos.checker.check import check
from payment_worker.devstack.chaos.checker.invariant import RunResult, Violation
from payment_worker.devstack.chaos.checker.payment_dump import payment_dump
from payment_worker.devstack.chaos.checker.records import Records, read
from payment_worker.devstack.chaos.cluster import Cluster, running
from payment_worker.devstack.chaos.faults import external_changes, forger, operator, poison, stripe_faults
from payment_worker.devstack.chaos.faults.external_changes import ExternalChanges
from payment_worker.devstack.chaos.faults.forger import Forger
from payment_worker.devstack.chaos.faults.nemesis import Nemesis
from payment_worker.devstack.chaos.faults.operator import Operator
from payment_worker.devstack.chaos.faults.poison import Poison
from payment_worker.devstack.chaos.options import Options
from payment_worker.devstack.chaos.progress import Progress
from payment_worker.devstack.chaos.quiescence import polled_since, unfinished_work
from payment_worker.devstack.chaos.workload.client import Client
from payment_worker.devstack.chaos.workload.consumer import StreamConsumer
from payment_worker.devstack.chaos.workload.generator import SECOND_ACCOUNT, SECOND_KEY, Workload, generate
from payment_worker.devstack.demo.balance import imported_balance
from payment_worker.devstack.launch import closing_engine

_POLL_EVERY_SECONDS: Final = 0.5
_STAYS_QUIESCENT_SECONDS: Final = 4.0
"""Stripe's list shows some events late, so a moment without unfinished work is not enough."""
_NO_PROGRESS_SECONDS: Final = 120.0
"""Longer than several leases, absence delays, redeliveries and resends of the client."""
_MOST_TIMES_LONGER: Final = 3
"""How many times longer faults are injected on a slow machine that has not recorded every request by then."""
_QUIET_LOGS_FROM_PAYMENTS: Final = 2000
"""Runs with more payments than this log warnings only."""
_DUMPS: Final = 3
_CLOCKS_APART_SHARE: Final = 0.4
"""The part of the run, from its start, in which our clock and Stripe's differ."""


@dataclass(kw_only=True)
class Run:
    """The parts of one run."""

    options: Options
    workload: Workload
    cluster: Cluster
    database: Engine
    client: Client
    consumer: StreamConsumer
    nemesis: Nemesis
    external_changes: ExternalChanges
    forger: Forger
    poison: Poison
    operator: Operator
    progress: Progress
    began_at: datetime


def run(options: Options) -> int:
    """Make one run and print its result. Returns 0 if every invariant holds, else 1."""
    progress = Progress()
    progress.say(
        f"{options.payments} payments in {options.seconds:.0f} s, seed {options.seed},"
        f" {'with' if options.kills else 'without'} kills, {'with' if options.faults else 'without'} faults",
        style="bold",
    )
    workload = generate(seed=options.seed, payments=options.payments, seconds=options.seconds)
    quietly = options.payments > _QUIET_LOGS_FROM_PAYMENTS
    with ExitStack() as entered:
        cluster = entered.enter_context(running(seed=options.seed, quietly=quietly))
        progress.say(f"Logs in {cluster.directory}")
        redis_url = cluster.settings["REDIS_URL"]
        database = entered.enter_context(closing_engine(cluster.settings["DATABASE_URL"]))
        kill_every = options.kill_every_seconds if options.kills else None
        return _run_and_check(
            Run(
                options=options,
                workload=workload,
                cluster=cluster,
                database=database,
                consumer=entered.enter_context(StreamConsumer(redis_url)),
                client=entered.enter_context(
                    Client(workload, redis_url=redis_url, database=database, simulator=cluster.simulator)
                ),
                nemesis=entered.enter_context(Nemesis(cluster, seed=options.seed, every_seconds=kill_every)),
                external_changes=entered.enter_context(_external_changes(options, cluster, database)),
                forger=entered.enter_context(_forger(options, cluster)),
                poison=entered.enter_context(_poison(options, redis_url)),
                operator=entered.enter_context(_operator(options, cluster, database)),
                progress=progress,
                began_at=datetime.now(tz=UTC),
            )
        )


def _external_changes(options: Options, cluster: Cluster, database: Engine) -> ExternalChanges:
    every_seconds = options.seconds / max(1, options.payments // external_changes.ONE_IN)
    return ExternalChanges(
        database=database, simulator=cluster.simulator, seed=options.seed, every_seconds=every_seconds
    )


def _forger(options: Options, cluster: Cluster) -> Forger:
    return Forger(
        simulator=cluster.simulator,
        api_key=cluster.settings["STRIPE_API_KEY"],
        seed=options.seed,
        every_seconds=options.seconds / max(1, options.payments // forger.ONE_IN),
    )


def _operator(options: Options, cluster: Cluster, database: Engine) -> Operator:
    return Operator(
        database=database,
        settings=cluster.settings,
        seed=options.seed,
        every_seconds=options.seconds / max(1, options.payments // operator.ONE_IN),
    )


def _poison(options: Options, redis_url: str) -> Poison:
    every_seconds = options.seconds / max(1, options.payments // poison.ONE_IN)
    return Poison(redis_url, seed=options.seed, every_seconds=every_seconds)


def _run_and_check(one: Run) -> int:
    with one.progress.live():
        failed_requests = _send_and_inject_faults(one)
        began = time.monotonic()
        unfinished = _wait_until_quiescent(one)
        quiescent_seconds = time.monotonic() - began
    if not unfinished:
        one.consumer.catch_up()
        one.poison.all_taken()
    records = read(
        one.database, one.cluster.simulator, api_keys=[one.cluster.settings["STRIPE_API_KEY"], SECOND_KEY]
    )
    violations = check(RunResult(workload=one.workload, records=records, published=one.consumer.published))
    compared, findings = _reconcile(one, unfinished, records)
    if not unfinished:
        findings += _unexplained(one)
    for line in report.statuses(records):
        one.progress.say(line)
    one.progress.say(
        f"{one.client.sent} task messages sent, {one.client.resent} of them again because there was no row;"
        f" {one.client.send_failures} not accepted by Redis"
    )
    one.progress.say(
        f"{one.consumer.count} messages published, {one.consumer.duplicates} of them more than once"
    )
    one.progress.say(
        f"{failed_requests} requests to Stripe failed; faults injected: {report.listed(one.nemesis.injected)}"
    )
    one.progress.say(f"Changes made at Stripe: {report.listed(one.external_changes.done)}")
    one.progress.say(f"Commands of an operator: {report.listed(one.operator.done)}")
    one.progress.say(
        f"Forged at Stripe: {report.listed(one.forger.done)}; {one.poison.sent} malformed messages sent"
    )
    one.progress.say(
        f"Quiescent {quiescent_seconds:.0f} s after the last fault; {one.progress.seconds:.0f} s in all"
    )
    one.progress.say(compared)
    return _report(one, unfinished, findings, violations)


def _send_and_inject_faults(one: Run) -> int:
    if one.options.faults:
        stripe_faults.inject(one.cluster.simulator)
        stripe_faults.set_clocks_apart(one.cluster.simulator, seconds=stripe_faults.APART_SECONDS)
    clocks_right_at = one.options.seconds * _CLOCKS_APART_SHARE
    never, began = Event(), time.monotonic()
    while (seconds := time.monotonic() - began) < one.options.seconds * _MOST_TIMES_LONGER:
        if seconds >= clocks_right_at:
            stripe_faults.set_clocks_apart(one.cluster.simulator, seconds=0)
            clocks_right_at = float("inf")
        if seconds >= one.options.seconds and one.client.done:
            break
        never.wait(_POLL_EVERY_SECONDS)
        one.nemesis.check()
        one.progress.line(_status_line(one, {}))
    for each in (one.external_changes, one.forger, one.poison, one.operator):
        each.stop()
    one.nemesis.stop()
    return stripe_faults.clear(one.cluster.simulator)


def _wait_until_quiescent(one: Run) -> Mapping[str, int]:
    """Wait until nothing is unfinished, nor is an event unread. Returns what is, if that has stopped getting less."""
    never, least, least_at = Event(), float("inf"), time.monotonic()
    done = 0
    quiescent_since: float | None = None
    quiescent_at = datetime.now(tz=UTC)
    while True:
        one.nemesis.check()
        unfinished = _unfinished(one)
        now = time.monotonic()
        if sum(unfinished.values()) < least:
            least, least_at = sum(unfinished.values()), now
        if one.consumer.count + len(one.client.recorded) > done:
            # Each request that is recorded brings events: on a slow machine there is more to do at first.
            done, least_at = one.consumer.count + len(one.client.recorded), now
        if unfinished or not quiescent_since:
            quiescent_since, quiescent_at = None if unfinished else now, datetime.now(tz=UTC)
        elif now - quiescent_since >= _STAYS_QUIESCENT_SECONDS and polled_since(one.database, quiescent_at):
            return {}
        if unfinished and now - least_at > _NO_PROGRESS_SECONDS:
            return unfinished
        one.progress.line(_status_line(one, unfinished))
        never.wait(_POLL_EVERY_SECONDS)


def _unfinished(one: Run) -> dict[str, int]:
    counts = unfinished_work(one.database, one.cluster.simulator)
    if not one.client.done:
        counts["requests without a row"] = one.client.waiting
    return counts


def _reconcile(one: Run, unfinished: Mapping[str, int], records: Records) -> tuple[str, list[str]]:
    if unfinished:
        return "not reconciled: work is unfinished", []
    return reconciliation.findings(
        one.database,
        send=one.client.send,
        since=one.began_at,
        payments=one.options.payments,
        records=records,
        cleared=one.forger.cleared,
    )


def _unexplained(one: Run) -> list[str]:
    """What of the balance the ledger does not explain: it must come to the simulator's, in every currency."""
    settings = one.cluster.settings
    balance = imported_balance(
        one.database,
        settings["STRIPE_API_BASE"],
        settings["STRIPE_API_KEY"],
        send=one.client.send,
        foreign=forger.forged(one.cluster.simulator),
        further={SECOND_ACCOUNT: SECOND_KEY},
    )
    one.progress.say(f"Balance explained in {sum(line.agrees for line in balance.lines)} currencies")
    differing = [
        f"balance {line.stripe_account} {line.currency}: {line.stripe} at Stripe, {line.ledger} in the ledger,"
        f" {line.unexplained} unexplained"
        for line in balance.lines
        if not line.agrees
    ]
    return [*differing, *(f"not cleared: {each}" for each in balance.uncleared)]


def _status_line(one: Run, unfinished: Mapping[str, int]) -> str:
    parts = [
        f"sent {one.client.sent_requests}/{len(one.workload.requests)}",
        f"recorded {len(one.client.recorded)}",
        f"published {one.consumer.count}",
        f"faults {one.nemesis.injected.total()} ({one.nemesis.last})",
    ]
    return "  ".join([*parts, f"waiting for {report.listed(unfinished)}" if unfinished else ""])


def _report(
    one: Run, unfinished: Mapping[str, int], findings: list[str], violations: Mapping[str, list[Violation]]
) -> int:
    say = one.progress.say
    errors = [f"never quiescent: {report.listed(unfinished)}"] if unfinished else []
    errors += [f"message against its schema: {each}" for each in one.consumer.invalid]
    errors += [f"reconciliation finding: {each}" for each in findings]
    errors += [f"a command broke: {each}" for each in one.operator.broken]
    errors += [f"unexpected exit: {each}" for each in one.nemesis.unexpected_exits]
    by_payment = report.by_payment(violations)
    failed = bool(errors or by_payment)
    say(report.summary(violations), style="bold red" if failed else "bold green")
    for error in errors:
        say(error, style="red")
    for payment_id, descriptions in by_payment.items():
        say(f"{payment_id}: {'; '.join(descriptions)}", style="red")
    for payment_id in list(by_payment)[:_DUMPS]:
        say(f"\nEverything about {payment_id}", style="bold")
        dump = payment_dump(
            payment_id,
            database=one.database,
            simulator=one.cluster.simulator,
            published=one.consumer.published,
        )
        for line in dump:
            say(line)
    if not failed:
        shutil.rmtree(one.cluster.directory, ignore_errors=True)
    else:
        say(f"\nFailed. Repeat it with: {one.options.command}", style="bold red")
    return int(failed)
