"""Runs a reconciliation step by step, resumably: Stripe's objects against our rows, then our rows against Stripe.

Theory of operation. A run goes through its steps in order, a page at a time, and stores its position with the
page's result; a run that was killed is continued there by the next reconciliation. Each difference on a page is checked
again with a refreshed object, because the page and our row may be of different times. What applying the snapshot can
repair is repaired; the rest is recorded once as an open finding. A second run over the same period finds the same and
changes nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from payment_worker.domain.explained_code import Code
from payment_worker.domain.findings.closures import Closed, closures
from payment_worker.domain.findings.kinds import StripeList
from payment_worker.flows.context import Context
from payment_worker.flows.reconciliation.checker import (
    Accepted,
    Checker,
    StepResult,
    StripeUnreachableError,
    Tally,
)
from payment_worker.flows.reconciliation.disputes import listed_disputes
from payment_worker.flows.reconciliation.early_fraud_warnings import listed_early_fraud_warnings
from payment_worker.flows.reconciliation.local_records import (
    PAGES,
    open_findings,
    our_payments,
    our_refunds,
    still_payments,
    still_refunds,
    unknown_attempts,
)
from payment_worker.flows.reconciliation.payment_intents import lost_payments, payment_intents
from payment_worker.flows.reconciliation.refunds import listed_refunds
from payment_worker.gateway.lists.pages import Page, Period
from payment_worker.store.connection.advisory_lock import RECONCILE_LOCK, alone
from payment_worker.store.events import event_polls
from payment_worker.store.reconciliation import findings, reconciliation_runs
from payment_worker.store.reconciliation.reconciliation_runs import Run
from payment_worker.store.records import payments, refunds
from payment_worker.telemetry import logger

log = logger(__name__)


class Step(Code):
    """The steps of a run, in their order: a code, and words for people."""

    PAYMENT_INTENTS = "payment_intents", "Stripe's PaymentIntents"
    LOST_PAYMENTS = "lost_payments", "lost payments"
    REFUNDS = "refunds", "Stripe's refunds"
    DISPUTES = "disputes", "Stripe's disputes"
    EARLY_FRAUD_WARNINGS = "early_fraud_warnings", "Stripe's early fraud warnings"
    OUR_PAYMENTS = "our_payments", "our payments"
    OUR_REFUNDS = "our_refunds", "our refunds"
    STILL_PAYMENTS = "still_payments", "unchanged payments"
    STILL_REFUNDS = "still_refunds", "unchanged refunds"
    ATTEMPTS = "attempts", "unknown attempts"
    FINDINGS = "findings", "open findings"


LISTS: Final[Mapping[Step, tuple[StripeList, Callable[[Checker, Page[Any]], StepResult]]]] = {
    Step.PAYMENT_INTENTS: (StripeList.PAYMENT_INTENTS, payment_intents),
    Step.REFUNDS: (StripeList.REFUNDS, listed_refunds),
    Step.DISPUTES: (StripeList.DISPUTES, listed_disputes),
    Step.EARLY_FRAUD_WARNINGS: (StripeList.EARLY_FRAUD_WARNINGS, listed_early_fraud_warnings),
}
"""Steps that read Stripe's lists, once for each account."""

ROWS: Final[Mapping[Step, Callable[[Checker], StepResult]]] = {
    Step.LOST_PAYMENTS: lost_payments,
    Step.OUR_PAYMENTS: our_payments,
    Step.OUR_REFUNDS: our_refunds,
    Step.STILL_PAYMENTS: still_payments,
    Step.STILL_REFUNDS: still_refunds,
    Step.ATTEMPTS: unknown_attempts,
    Step.FINDINGS: open_findings,
}

OVERLAP: Final = timedelta(hours=1)
"""How far a scheduled run goes back behind the one before: what was in work then is done now."""

FARTHEST: Final = timedelta(days=30)
"""How far the first scheduled run goes back."""

OnPage = Callable[[Run], bool]
"""Called after each page; False stops the run, and the next reconciliation continues it."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The run and how far it came."""

    run: Run
    stripe_is_unreachable: bool = False
    not_accepted: Sequence[str] = ()
    """Objects that an operator accepted, but that the finished run did not make ours."""


def reconcile(
    context: Context,
    *,
    since: datetime | None,
    until: datetime | None,
    on_page: OnPage,
    accounts: Collection[str] = (),
    accepted: Accepted = MappingProxyType({}),
) -> Reconciled | None:
    """Reconcile a period, or everything that is new; None while another process reconciles.

    Args:
        since: objects created from then on. Without both, everything since the last scheduled run.
        until: objects created before then; now, if it is not given.
        on_page: called after each page; False stops.
        accounts: connected accounts to compare besides those that our payments are on.
        accepted: objects that an operator accepts as ours without a MAC, and why.
    """
    with alone(context.database, RECONCILE_LOCK) as is_ours:
        if not is_ours:
            return None
        reconciled = None
        for run in _runs(context, since, until):
            reconciled = _execute_run(context, run, on_page, accounts, accepted)
            if not reconciled.run.is_finished:
                return reconciled
        return reconciled and replace(reconciled, not_accepted=_without_record(context, accepted))


def _without_record(context: Context, accepted: Accepted) -> Sequence[str]:
    """Those that are no payment's and no refund's: mistyped, of another period or account, or naming nothing."""
    with context.database.begin() as connection:
        return [
            stripe_id
            for stripe_id in accepted
            if payments.id_by_payment_intent(connection, stripe_id) is None
            and refunds.find_by_stripe(connection, stripe_id) is None
        ]


def _runs(context: Context, since: datetime | None, until: datetime | None) -> Sequence[Run]:
    """The runs to execute: a scheduled call first continues all unfinished ones."""
    now = context.clock()
    with context.database.begin() as connection:
        unfinished = reconciliation_runs.unfinished(connection)
        if since is None and until is None:
            if any(run.is_scheduled for run in unfinished):
                return unfinished
            last_until, first_payment_at = (
                reconciliation_runs.scheduled_until(connection),
                event_polls.first_payment_at(connection),
            )
            begin = (
                last_until - OVERLAP
                if last_until
                else max((first_payment_at or now) - OVERLAP, now - FARTHEST)
            )
            return [*unfinished, _new_run(context, since=begin, until=now, is_scheduled=True, now=now)]
        begin, end = since or (until or now) - timedelta(days=1), until or now
        same_period = [
            run for run in unfinished if run.since == begin and (until is None or run.until == end)
        ]
    return same_period[:1] or [_new_run(context, since=begin, until=end, is_scheduled=False, now=now)]


def _new_run(context: Context, *, since: datetime, until: datetime, is_scheduled: bool, now: datetime) -> Run:
    with context.database.begin() as connection:
        return reconciliation_runs.begin(
            connection,
            since=since,
            until=until,
            is_scheduled=is_scheduled,
            step=Step.PAYMENT_INTENTS,
            now=now,
        )


def _execute_run(
    context: Context, run: Run, on_page: OnPage, further_accounts: Collection[str], accepted: Accepted
) -> Reconciled:
    with context.database.begin() as connection:
        # A payment on an account may be known to Stripe alone, after a restore: events still name the account.
        own_accounts = {*event_polls.accounts(connection), *further_accounts}
        accounts_with_events = (
            set() if run.is_scheduled else {*event_polls.accounts_with_events(connection)} - own_accounts
        )
    accounts = sorted(own_accounts | accounts_with_events)
    refused: set[Closed] = set()
    while True:
        try:
            result = _execute_step(
                Checker(context, run, refused, foreign_objects=accounts_with_events, accepted=accepted)
            )
        except StripeUnreachableError:
            log.warning("reconciliation postponed: Stripe unreachable", run_id=run.run_id, step=run.step)
            return Reconciled(run, stripe_is_unreachable=True)
        run = _advance_run(context, run, result, accounts)
        if run.is_finished or not on_page(run):
            context.notify_relay()
            return Reconciled(run)


def _execute_step(checker: Checker) -> StepResult:
    run = checker.run
    step = Step(run.step)
    if step in ROWS:
        return ROWS[step](checker)
    (stripe_list, compare), account = LISTS[step], run.stripe_account
    if checker.is_refused(stripe_list, account=account):
        return StepResult(tally=Tally())
    # A period that ends when the run began has no end at Stripe, whose clock may be ahead of ours.
    until = run.until if run.until < run.started_at else None
    period = Period(since=_since(checker, stripe_list), until=until)
    page = PAGES[stripe_list](checker.context.stripe, period, after=run.cursor, account=account)
    if not isinstance(page, Page):
        return StepResult(tally=checker.unseen(page, stripe_list, account=account).tally)
    return compare(checker, page)


def _since(checker: Checker, stripe_list: StripeList) -> datetime:
    """From when on a list is compared: what it did not show while it was closed to us, it shows afterwards."""
    run = checker.run
    if not run.is_scheduled:
        return run.since
    closed = closures(stripe_list, stripe_account=run.stripe_account)
    with checker.context.database.begin() as connection:
        closed_at = findings.open_since(connection, closed)
        missed_since = closed_at and reconciliation_runs.first_of_those_after(connection, closed_at)
    return min(run.since, missed_since or run.since)


def _advance_run(context: Context, run: Run, result: StepResult, accounts: Sequence[str]) -> Run:
    counts = {name: count + getattr(run, name) for name, count in asdict(result.tally).items()}
    updated = replace(run, **counts, cursor=result.cursor, read_back_to=result.read_back_to)
    next_step = (run.step, run.stripe_account) if result.cursor else _next_step(run, accounts)
    with context.database.begin() as connection:
        if next_step is None:
            finished = reconciliation_runs.finish(connection, updated, now=context.clock())
            log.info("reconciled", run_id=run.run_id, **counts)
            return finished
        step, account = next_step
        updated = replace(updated, step=step, stripe_account=account)
        return reconciliation_runs.save(
            connection, updated, matched=result.matched, candidates=result.candidates, now=context.clock()
        )


def _next_step(run: Run, accounts: Sequence[str]) -> tuple[str, str] | None:
    """The step, and the account, after those that are done; None when all are."""
    step = Step(run.step)
    remaining = [account for account in accounts if account > run.stripe_account]
    if step in LISTS and remaining:
        return step, remaining[0]
    steps = list(Step)
    return (steps[steps.index(step) + 1], "") if step is not steps[-1] else None
