"""One run from beginning to end: ask and break, let it come to rest, judge."""

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Final

from sqlalchemy import Engine

from payment_worker.devstack.chaos import auditor, misbehaviour, people, report
from payment_worker.devstack.chaos.arena import Arena, running
from payment_worker.devstack.chaos.audience import Audience
from payment_worker.devstack.chaos.caller import Caller
from payment_worker.devstack.chaos.evidence import Breach, Evidence
from payment_worker.devstack.chaos.harms import Harms
from payment_worker.devstack.chaos.options import Options
from payment_worker.devstack.chaos.people import People
from payment_worker.devstack.chaos.plan import Plan, plan
from payment_worker.devstack.chaos.progress import Progress
from payment_worker.devstack.chaos.quiet import unquiet
from payment_worker.devstack.chaos.records import read
from payment_worker.devstack.chaos.testimony import testimony
from payment_worker.devstack.chaos.verdict import judged
from payment_worker.devstack.show import closing_engine

_LOOK_EVERY_SECONDS: Final = 0.5
_STAYS_QUIET_SECONDS: Final = 4.0
"""An event may still be on its way out of Stripe's list, which shows some of them late."""
_PATIENCE_SECONDS: Final = 120.0
"""In which nothing gets less: several leases, absence delays, redeliveries and looks of a patient caller."""
_PATIENCE_UNDER_FIRE: Final = 3
"""How many times longer the harm goes on where a slow machine has not recorded everything by then."""
_MANY: Final = 2000
"""Payments of which nobody reads every line of the logs."""
_STORIES: Final = 3


@dataclass(kw_only=True)
class Run:
    """Everything that takes part."""

    options: Options
    plan: Plan
    arena: Arena
    database: Engine
    caller: Caller
    audience: Audience
    harms: Harms
    people: People
    progress: Progress
    began_at: datetime


def run(options: Options) -> int:
    """Make a run and tell it. Returns 0 when nothing is amiss, 1 when anything is."""
    progress = Progress()
    progress.say(
        f"{options.payments} payments in {options.seconds:.0f} s, seed {options.seed},"
        f" {'with' if options.kills else 'without'} kills, {'with' if options.faults else 'without'} faults",
        style="bold",
    )
    made = plan(seed=options.seed, payments=options.payments, seconds=options.seconds)
    with ExitStack() as entered:
        arena = entered.enter_context(running(seed=options.seed, quietly=options.payments > _MANY))
        progress.say(f"Logs in {arena.directory}")
        redis_url = arena.settings["REDIS_URL"]
        database = entered.enter_context(closing_engine(arena.settings["DATABASE_URL"]))
        harm_every = options.harm_every_seconds if options.kills else None
        return _told(
            Run(
                options=options,
                plan=made,
                arena=arena,
                database=database,
                audience=entered.enter_context(Audience(redis_url)),
                caller=entered.enter_context(Caller(made, redis_url=redis_url, database=database)),
                harms=entered.enter_context(Harms(arena, seed=options.seed, every_seconds=harm_every)),
                people=entered.enter_context(_people(options, arena, database)),
                progress=progress,
                began_at=datetime.now(tz=UTC),
            )
        )


def _people(options: Options, arena: Arena, database: Engine) -> People:
    every_seconds = options.seconds / max(1, options.payments // people.ONE_IN)
    return People(
        database=database, simulator=arena.simulator, seed=options.seed, every_seconds=every_seconds
    )


def _told(one: Run) -> int:
    with one.progress.live():
        hit = _ask_and_break(one)
        began = time.monotonic()
        left = _come_to_rest(one)
        rest_seconds = time.monotonic() - began
    if not left:
        one.audience.catch_up()
    records = read(one.database, one.arena.simulator, api_key=one.arena.settings["STRIPE_API_KEY"])
    breaches = judged(Evidence(plan=one.plan, records=records, told=one.audience.told))
    compared, found = _audit(one, left)
    for line in report.statuses(records):
        one.progress.say(line)
    one.progress.say(
        f"{one.caller.sent} messages sent, {one.caller.sent_again} of them again because there was no row;"
        f" {one.caller.never_sent} not taken by Redis"
    )
    one.progress.say(f"{one.audience.count} messages told, {one.audience.doubled} of them more than once")
    one.progress.say(f"{hit} requests to Stripe went wrong; harm done: {report.listed(one.harms.dealt)}")
    one.progress.say(f"People and banks: {report.listed(one.people.done)}")
    one.progress.say(f"Quiet {rest_seconds:.0f} s after the last harm; {one.progress.seconds:.0f} s in all")
    one.progress.say(compared)
    return _judge(one, left, found, breaches)


def _ask_and_break(one: Run) -> int:
    if one.options.faults:
        misbehaviour.misbehave(one.arena.simulator)
    never, began = Event(), time.monotonic()
    while (seconds := time.monotonic() - began) < one.options.seconds * _PATIENCE_UNDER_FIRE:
        if seconds >= one.options.seconds and one.caller.done:
            break
        never.wait(_LOOK_EVERY_SECONDS)
        one.harms.check()
        one.progress.line(_now(one, {}))
    one.people.stop()
    one.harms.stop()
    return misbehaviour.behave(one.arena.simulator)


def _come_to_rest(one: Run) -> Mapping[str, int]:
    """Wait until all is quiet and stays so. Returns what is still under way when nothing gets less any more."""
    never, least, least_at = Event(), float("inf"), time.monotonic()
    quiet_since: float | None = None
    while True:
        one.harms.check()
        left = _left(one)
        now = time.monotonic()
        if sum(left.values()) < least:
            least, least_at = sum(left.values()), now
        quiet_since = None if left else quiet_since or now
        if quiet_since and now - quiet_since >= _STAYS_QUIET_SECONDS:
            return {}
        if left and now - least_at > _PATIENCE_SECONDS:
            return left
        one.progress.line(_now(one, left))
        never.wait(_LOOK_EVERY_SECONDS)


def _left(one: Run) -> dict[str, int]:
    left = unquiet(one.database, one.arena.simulator)
    if not one.caller.done:
        left["requests without a row"] = one.caller.waiting
    return left


def _audit(one: Run, left: Mapping[str, int]) -> tuple[str, list[str]]:
    if left:
        return "not reconciled: it is not quiet", []
    return auditor.findings(
        one.database, send=one.caller.send, since=one.began_at, payments=one.options.payments
    )


def _now(one: Run, left: Mapping[str, int]) -> str:
    parts = [
        f"asked {one.caller.asked}/{len(one.plan.asks)}",
        f"recorded {len(one.caller.recorded)}",
        f"told {one.audience.count}",
        f"harms {one.harms.dealt.total()} ({one.harms.last})",
    ]
    return "  ".join([*parts, f"waiting for {report.listed(left)}" if left else ""])


def _judge(one: Run, left: Mapping[str, int], found: list[str], breaches: Mapping[str, list[Breach]]) -> int:
    say = one.progress.say
    faults = [f"never quiet: {report.listed(left)}"] if left else []
    faults += [f"message against its schema: {each}" for each in one.audience.invalid]
    faults += [f"reconciliation found: {each}" for each in found]
    faults += [f"ended by itself: {each}" for each in one.harms.ended_unasked]
    guilty = report.guilty(breaches)
    amiss = bool(faults or guilty)
    say(report.verdict(breaches), style="bold red" if amiss else "bold green")
    for fault in faults:
        say(fault, style="red")
    for payment_id, guilts in guilty.items():
        say(f"{payment_id}: {'; '.join(guilts)}", style="red")
    for payment_id in list(guilty)[:_STORIES]:
        say(f"\nThe story of {payment_id}", style="bold")
        story = testimony(
            payment_id, database=one.database, simulator=one.arena.simulator, told=one.audience.told
        )
        for line in story:
            say(line)
    if not amiss:
        shutil.rmtree(one.arena.directory, ignore_errors=True)
    else:
        say(f"\nGuilty. Again with: {one.options.command}", style="bold red")
    return int(amiss)
