"""Prints a reconciliation's progress and its result."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from rich.markup import escape

from payment_worker import bootstrap
from payment_worker.cli.database import operator
from payment_worker.cli.errors import PROBLEMS
from payment_worker.cli.views.printing import console, print_json, progress
from payment_worker.contracts.requests import ReconcileRequest, parse
from payment_worker.flows.context import Context
from payment_worker.flows.maintenance.outbox_relay import replay
from payment_worker.flows.reconciliation.run import LISTS, Reconciled, Step, reconcile
from payment_worker.store.reconciliation import findings
from payment_worker.store.reconciliation.findings import FindingStatus
from payment_worker.store.reconciliation.reconciliation_runs import Run
from payment_worker.telemetry import configure
from payment_worker.telemetry.formats import instant

DONE: Final = 0
STEPS: Final = list(Step)


def run(
    *,
    since: str | None,
    until: str | None,
    accounts: Collection[str],
    accepted: Mapping[str, str],
    as_json: bool,
) -> int:
    """Reconcile, and print what came of it; the exit status."""
    period = parse(ReconcileRequest, {"since": since, "until": until})
    # The screen says it all; what else a log has to say is for workers.
    configure(log_format="auto", level="ERROR")
    context = bootstrap.context(actor=f"payment-worker reconcile by {operator()}")
    with progress(total=len(STEPS), is_shown=not as_json) as update:

        def on_page(run: Run) -> bool:
            update(*_progress_of(run))
            return True

        reconciled = reconcile(
            context,
            since=period.since,
            until=period.until,
            on_page=on_page,
            accounts=accounts,
            accepted=accepted,
        )
    if reconciled is None:
        _print_result(
            {"running": "elsewhere"}, "Another reconciliation is at work; this one left.", as_json=as_json
        )
        return PROBLEMS
    is_clean = not _has_open_findings(context) and not reconciled.not_accepted
    _print_result(reconciled, _summary(reconciled), as_json=as_json)
    return DONE if reconciled.run.is_finished and is_clean else PROBLEMS


def replay_messages(*, since: str, until: str | None, as_json: bool) -> None:
    """Have the messages of a period published again."""
    period = parse(ReconcileRequest, {"since": since, "until": until})
    context = bootstrap.context(actor=f"payment-worker events replay-messages by {operator()}")
    begin: datetime = period.since or context.clock()
    count = replay(context, since=begin, until=period.until or context.clock())
    noun = "message is" if count == 1 else "messages are"
    _print_result({"messages": count}, f"{count} {noun} published again by the next sweep.", as_json=as_json)


def _has_open_findings(context: Context) -> bool:
    with context.database.begin() as connection:
        return bool(findings.found(connection, statuses=[FindingStatus.OPEN], limit=1))


def _print_result(as_value: object, as_text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(as_value)
    else:
        console().print(escape(as_text))


def _summary(reconciled: Reconciled) -> str:
    run = reconciled.run
    lines = [
        f"Run {run.run_id}: {instant(run.since)} until {instant(run.until)}",
        f"  compared  {run.payments} payments, {run.refunds} refunds, {run.disputes} disputes",
        f"  repaired  {run.repaired}",
        f"  left open {run.left_open}",
        f"  closed    {run.closed}",
    ]
    if reconciled.stripe_is_unreachable:
        lines.append(
            f"Stripe does not answer: the run waits at {Step(run.step).sentence}; the same command resumes it."
        )
    lines += [
        f"Not accepted: {stripe_id} was not met in this period with a payment's or refund's id in its metadata."
        for stripe_id in reconciled.not_accepted
    ]
    if run.left_open:
        lines.append("See what is open with: payment-worker report")
    return "\n".join(lines)


def _progress_of(run: Run) -> tuple[str, float]:
    step = Step(run.step)
    account = f" of {run.stripe_account}" if run.stripe_account else ""
    counts = f"{run.payments + run.refunds + run.disputes} compared, {run.repaired + run.left_open} differ"
    done = STEPS.index(step) + (_part(run) if step in LISTS else 0)
    return f"{step.sentence}{account}: {counts}", done


def _part(run: Run) -> float:
    """How much of its list is read: it is read backwards through the period."""
    if run.read_back_to is None or run.cursor is None:
        return 0
    return min(max((run.until - run.read_back_to) / (run.until - run.since), 0), 1)
