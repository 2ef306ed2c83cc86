"""Every function of the store that takes a connection is run, and each statement finds its rows by an index.

What is run is the product: its flows, its commands, what Prometheus scrapes and what the console shows. PostgreSQL
plans as if it could not read a table whole: where it does all the same, there is no index for that statement.
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from typer.testing import CliRunner

from payment_worker import bootstrap, store
from payment_worker.cli.app import app
from payment_worker.contracts.requests import AdoptRequest, parse
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.commands.adopt import adopt
from payment_worker.flows.commands.expire_action import expire_action
from payment_worker.flows.commands.retry_charge import retry_declined
from payment_worker.flows.context import Context
from payment_worker.flows.events.inbox import claim_new, process_claimed, process_together
from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.maintenance.outbox_relay import publish
from payment_worker.flows.maintenance.retention import PruneBudget, Retention, prune
from payment_worker.flows.maintenance.sweep import FollowUp, SweepLimits, claim_due, claim_follow_ups
from payment_worker.flows.rejections import keep_rejected
from payment_worker.flows.result import CommandResult
from payment_worker.monitoring import database as gauges
from payment_worker.redis.stream import Stream
from payment_worker.store import beat_schedule, operator_actions, outbox, rejected_requests, stripe_identity
from payment_worker.store.connection import probes
from payment_worker.store.connection.database import Connection
from payment_worker.store.due_rows import claim_rows
from payment_worker.store.events import event_keys
from payment_worker.store.ledger import balance_transactions, ledger_entries
from payment_worker.store.queries import console, ledger, reconciliation, search, totals
from payment_worker.store.queries.search import Search
from payment_worker.store.reconciliation import findings, reconciliation_candidates, reconciliation_runs
from payment_worker.store.records import (
    attempts,
    automatic_retries,
    early_fraud_warnings,
    history,
    payments,
    stripe_requests,
)
from tests.flows.conftest import clock, context, scene
from tests.flows.scene import Scene
from tests.harness.backlog import fill
from tests.harness.rows import Rows

__all__ = ["clock", "context", "scene"]

STORE = Path(store.__file__).parent
SMALL = frozenset(
    {
        "balance_import",
        "event_poll",
        "ledger_progress",
        "metadata_secret",
        "pause",
        "reconciliation_run",
        "stripe_identity",
    }
)
"""Tables with one row, or one for each Stripe account, pause or reconciliation."""

Command = Callable[..., str]

Function = tuple[str, str]
"""A module's path within the store, and a function's name."""


NOT_RUN: frozenset[Function] = frozenset(
    {
        ("connection/watchdog.py", "_hang_up"),  # no statement
        ("records/attempts.py", "count_absent"),  # by the payment's key
    }
)


def _functions() -> set[Function]:
    """Every function of the store that takes a connection, or a database to run its one statement in."""
    found: set[Function] = set()
    for path in STORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and _first_argument(node) in {"connection", "database"}:
                found.add((str(path.relative_to(STORE)), node.name))
    return found


def _first_argument(function: ast.FunctionDef) -> str | None:
    return function.args.args[0].arg if function.args.args else None


@contextmanager
def _called() -> Iterator[set[Function]]:
    """The functions of the store that were called in the block, by this thread."""
    seen: set[CodeType] = set()
    found: set[Function] = set()

    def note(frame: FrameType, _event: str, _argument: object) -> None:
        seen.add(frame.f_code)

    sys.settrace(note)
    try:
        yield found
    finally:
        sys.settrace(None)
    for code in seen:
        path = Path(code.co_filename)
        if path.is_relative_to(STORE):
            found.add((str(path.relative_to(STORE)), code.co_name))


@pytest.fixture
def explained(
    scene: Scene, rows: Rows, environment: dict[str, str], postgresql: PostgreSQL
) -> Iterator[Path]:
    """The server's log, in which the plan is written of each statement on a connection that is opened from now on."""
    fill(rows, over=2000, waiting=200)
    name = environment["DATABASE_URL"].rpartition("/")[2]
    for setting in (
        "session_preload_libraries = auto_explain",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_format = json",
        "enable_seqscan = off",
    ):
        rows(f"ALTER DATABASE {name} SET {setting}")
    scene.context.database.engine.dispose()
    begin = postgresql.log.stat().st_size
    log = postgresql.log
    yield log
    assert log.stat().st_size > begin


@pytest.fixture
def command(environment: dict[str, str]) -> Iterator[Command]:
    """Runs a command of `payment-worker` in this process."""
    bootstrap.settings.cache_clear()

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, env=environment)
        assert done.exit_code in {0, 1}, f"{arguments}: {done.output}\n{done.exception!r}"
        assert done.exception is None or isinstance(done.exception, SystemExit), (
            f"{arguments}: {done.exception!r}"
        )
        return done.output

    yield run
    bootstrap.settings.cache_clear()
    bootstrap._held.reset()  # noqa: SLF001 - what commands of other tests in this process would find


def test_every_statement_finds_its_rows_by_an_index(
    scene: Scene,
    rows: Rows,
    explained: Path,
    command: Command,
    redis_url: str,
) -> None:
    begin = explained.stat().st_size
    with _called() as called:
        _pay(scene)
        _look(scene, command)
        _decide(scene, rows, command)
        _maintain(scene, redis_url)
    functions = _functions()
    assert len(functions) > 150
    assert functions - called == NOT_RUN
    plans = list(_plans(explained, begin))
    assert len({re.sub(r"'[^']*'|\d+", "?", each["Query Text"]) for each in plans}) > 200
    whole = {each["Query Text"]: tables for each in plans if (tables := _read_whole(each["Plan"]))}
    assert not whole, "\n".join(f"{tables}: {query[:600]}" for query, tables in whole.items())


def _pay(scene: Scene) -> None:
    """Something of everything that happens to payments."""
    context = scene.context
    scene.simulator.post("settings", {"balance_transaction_delay_seconds": 600})
    charged = scene.charge(customer_id="42")
    scene.refund(charged, amount=100)
    assert isinstance(scene.refund(charged, amount=100_000), CommandResult)
    scene.charge(payment_method="pm_card_chargeDeclined")
    scene.charge(payment_method="pm_card_createDispute")
    scene.charge_unanswered(when="before")
    twice = {"payment_id": str(uuid4()), "order_id": str(uuid4())}
    scene.charge(**twice)
    scene.charge(**twice)
    held = scene.charge(capture_method="manual")
    scene.capture(held)
    scene.cancel(scene.charge(capture_method="manual"))
    scene.retry(scene.charge(payment_method="pm_card_visa_chargeDeclined"), payment_method="pm_card_visa")
    scene.charge(not_before=(scene.clock() + timedelta(days=30)).isoformat())
    intent = scene.at_stripe("/v1/payment_intents", {"amount": "5000", "currency": "eur"})
    adopted = {"payment_id": str(uuid4()), "order_id": str(uuid4()), "payment_intent": intent["id"]}
    adopt(context, parse(AdoptRequest, adopted))
    expire_action(context, scene.charge(payment_method="pm_card_authenticationRequired"))
    scene.deliver(scene.events())
    scene.deliver(scene.events())
    scene.advance(1000)
    # Of these, some say nothing new but which balance transaction has the fee.
    scene.deliver(scene.events())
    _sweep(context)


def _sweep(context: Context) -> None:
    few = SweepLimits(attempts=3, events=3, waiting_refunds=3)
    due = claim_due(context, few)
    for attempt in due.attempts:
        run_claimed(context, attempt.attempt_id, lease_token=attempt.lease_token)
    for each in due.events:
        process_claimed(context, **asdict(each))
    for attempt_id in claim_follow_ups(context, FollowUp.RETRIES):
        retry_declined(context, attempt_id)
    claim_follow_ups(context, FollowUp.EXPIRED_ACTIONS)
    claim_follow_ups(context, FollowUp.ADOPTIONS)


def _look(scene: Scene, command: Command) -> None:
    """Everything that operators and Prometheus look at."""
    now = scene.clock()
    payment_id, directory = scene.charge(), TemporaryDirectory()
    since = (datetime.now(tz=UTC) - timedelta(hours=1)).isoformat()
    scene.advance(3 * 86_400)
    (payout,) = scene.simulator.post("payouts")["payouts"]
    for line in (
        "doctor",
        "list",
        "list --status SUCCEEDED",
        f"show {payment_id}",
        f"show {scene.events()[0].event_id}",
        f"show {payout['id']}",
        f"reconcile --since {since}",
        "reconcile",
        "report",
        "ledger import",
        "balance",
        f"ledger export --month {now:%Y-%m} --to {directory.name}",
        "payouts",
        f"payouts show {payout['id']}",
        "events list",
        "findings list",
        "requests rejected list",
        "pause --kind charge",
        "resume",
        f"events replay-messages --since {since}",
        "erase --customer-id 42",
    ):
        command(*line.split())
    directory.cleanup()
    with scene.context.database.begin() as connection:
        list(gauges.read(connection, now=now))
        _show(connection, payment_id, now)
        _ask_rarely(connection, payment_id, now)
    with scene.context.database.begin() as connection:
        console.read_only(connection)


def _show(connection: Connection, payment_id: UUID, now: datetime) -> None:
    """What pages of the console ask, beside what commands ask."""
    a_day = now - timedelta(days=1)
    totals.taken(connection, since=a_day, until=now)
    totals.booked(connection, since=a_day, until=now)
    totals.last_hours(connection, 24, now=now)
    for wanted in (Search(), Search(status="FAILED", least=1), Search(identity="pi_1"), Search(order_id="1")):
        search.payments(connection, wanted, before=None, limit=10)
        search.refunds(connection, wanted, before=None, limit=10)
    console.unknown_attempts(connection, limit=10)
    ledger.uncleared(connection, limit=10)
    console.disputes(connection, payment_id)
    console.exists(connection, payment_id)
    console.currencies(connection, [payment_id])
    operator_actions.newest(connection, limit=10)


def _ask_rarely(connection: Connection, payment_id: UUID, now: datetime) -> None:
    """What is asked after an outage, a loss, or another's change, each in tests of its own."""
    a_day = now - timedelta(days=1)
    attempt = attempts.lock_unfinished(connection, 1) or attempts.lock_unfinished(connection, 10)
    event_keys.made_under(
        connection,
        f"{payment_id}:charge:1",
        stripe_account="",
        types=["refund.created"],
        since=a_day,
        until=now,
    )
    beat_schedule.claim(connection, "sweep", every=timedelta(minutes=1))
    probes.check_inbox_is_writable(connection)
    balance_transactions.find(connection, ["txn_1"], stripe_account="")
    ledger_entries.of_another_app(connection, ["pi_1"])
    ledger_entries.suspended(connection, ["txn_1"], stripe_account="")
    ledger_entries.posted(connection, ["txn_1"])
    ledger_entries.charges(connection, ["pi_1"])
    ledger_entries.existing(connection, {payment_id})
    stripe_identity.is_live(connection)
    balance_transactions.not_shown(connection, stripe_account="", since=a_day, before=now, limit=10)
    outbox.published_at(connection, uuid4())
    automatic_retries.payment_to_retry(connection, 1)
    early_fraud_warnings.find(connection, "issfr_1")
    early_fraud_warnings.known(connection, ["issfr_1"])
    claim_rows(connection, early_fraud_warnings.DUE, now=now, until=now, limit=10)
    history.dispute_was(connection, payment_id=payment_id, stripe_dispute_id="du_1", status="LOST")
    payments.has_balance_transaction(connection, payment_id)
    stripe_requests.refunds_unanswered(connection, payment_id, amount=100)
    ledger.imported_since(connection)
    reconciliation.is_unfinished(connection, f"{payment_id}:charge:1")
    reconciliation_candidates.of_payment(connection, payment_id, run_id=1)
    reconciliation_runs.first_of_those_after(connection, a_day)
    findings.close(connection, 1, run_id=1, now=now)
    rejected_requests.record_replay(connection, uuid4(), actor="test", now=now)
    assert attempt is None or attempts.count_absent(connection, attempt[1]) == 0


def _maintain(scene: Scene, redis_url: str) -> None:
    """What beat has done all day."""
    context = scene.context
    poll(context, PollOptions(overlap=timedelta(minutes=5), notify=lambda: None))
    process_together(context, claim_new(context))
    with closing(Stream(redis_url, name="outcomes", max_length=100_000, hint_seconds=5)) as stream:
        publish(context, stream)
        scene.charge()
        publish(context, stream)
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.delete("outcomes")
    with closing(Stream(redis_url, name="outcomes", max_length=100_000, hint_seconds=5)) as stream:
        publish(context, stream)
    day, old = timedelta(days=1), timedelta(days=60)
    prune(context, Retention(money=old, events=day, outbox=day, reports=day), PruneBudget(batch=5000))


def _decide(scene: Scene, rows: Rows, command: Command) -> None:
    """What an operator decides."""
    context, now = scene.context, scene.clock()
    rejected_id = uuid4()
    with context.database.begin() as connection:
        keep_rejected(
            connection,
            request_id=rejected_id,
            task="payment_worker.charge",
            arguments={"payment_id": str(uuid4())},
            errors=[{"field": "amount", "code": "missing", "message": "is required"}],
            now=now,
        )
    command("requests", "rejected", "show", str(rejected_id))
    command("requests", "rejected", "replay", str(rejected_id))
    parked = rows.one(
        "UPDATE stripe_event SET status = 'PARKED' WHERE event_id = 'evt_old_1' RETURNING event_id"
    )
    command("events", "replay", parked["event_id"])
    command("events", "discard", parked["event_id"], "--reason", "not ours")
    command("findings", "close", "1", "--reason", "seen")


def _plans(log: Path, begin: int) -> Iterator[dict[str, Any]]:
    with log.open("rb") as file:
        file.seek(begin)
        written = file.read().decode(errors="replace")
    for found in re.finditer(r"plan:\n((?:\t.*\n)+)", written):
        yield json.loads("\n".join(line[1:] for line in found[1].splitlines()))


def _read_whole(node: dict[str, Any]) -> list[str]:
    """The growing tables that a plan reads from the first row to the last."""
    own = [node["Relation Name"]] if node["Node Type"] == "Seq Scan" else []
    return [each for each in own if each not in SMALL] + [
        each for child in node.get("Plans", ()) for each in _read_whole(child)
    ]
