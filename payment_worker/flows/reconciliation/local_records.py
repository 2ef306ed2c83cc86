"""Checks our rows that none of Stripe's lists contained, unknown outcomes, and findings that may be resolved."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from payment_worker.domain.findings.closures import CLOSURES
from payment_worker.domain.findings.kinds import (
    IN_LEDGER,
    TOO_LONG,
    Difference,
    FindingKind,
    StripeList,
)
from payment_worker.flows.reconciliation.checker import UNSEEN, Checker, CheckResult, StepResult, Tally
from payment_worker.flows.reconciliation.payment_intents import examine_payment
from payment_worker.flows.reconciliation.refunds import examine_refund
from payment_worker.flows.transitions.refresh import ObjectKind, Target
from payment_worker.gateway.lists.pages import (
    NotListed,
    Page,
    Period,
    disputes_page,
    early_fraud_warnings_page,
    payment_intents_page,
    refunds_page,
)
from payment_worker.store.queries import reconciliation
from payment_worker.store.queries.reconciliation import PAYMENTS, REFUNDS, Ours, Rows
from payment_worker.store.reconciliation import findings
from payment_worker.store.reconciliation.findings import Finding, FindingStatus
from payment_worker.store.records import payments

ROWS: Final = 500
"""Our rows that are read at once."""

LOOKS: Final = 50
"""Objects that are retrieved one by one before the run's position is stored."""

UNKNOWN_AT_MOST: Final = 1000
"""Attempts that are found unknown in one run. With more of them something else is the matter, and is alerted."""

PAGES: Final[Mapping[StripeList, Callable[..., Page[Any] | NotListed]]] = MappingProxyType(
    {
        StripeList.PAYMENT_INTENTS: payment_intents_page,
        StripeList.REFUNDS: refunds_page,
        StripeList.DISPUTES: disputes_page,
        StripeList.EARLY_FRAUD_WARNINGS: early_fraud_warnings_page,
    }
)


def our_payments(checker: Checker) -> StepResult:
    """Ask for the PaymentIntents of the period's payments that no list showed."""
    return _examine_rows(checker, reconciliation.of_period, PAYMENTS)


def our_refunds(checker: Checker) -> StepResult:
    """Ask for the Refunds of the period's refunds that no list showed."""
    return _examine_rows(checker, reconciliation.of_period, REFUNDS)


def still_payments(checker: Checker) -> StepResult:
    """Check older, unchanged payments in a status that only an update from Stripe can end: one may have been lost."""
    return _examine_unchanged(checker, PAYMENTS)


def still_refunds(checker: Checker) -> StepResult:
    """Check older, unchanged refunds in a status that only an update from Stripe can end: one may have been lost."""
    return _examine_unchanged(checker, REFUNDS)


def _examine_unchanged(checker: Checker, rows: Rows) -> StepResult:
    if not checker.run.is_scheduled:
        return StepResult(tally=Tally())
    return _examine_rows(checker, reconciliation.still, rows)


def _payment(checker: Checker, row: Ours) -> CheckResult:
    return examine_payment(
        checker, payment_id=row.payment_id, payment_intent=row.stripe_id, account=row.stripe_account
    )


def _refund(checker: Checker, row: Ours) -> CheckResult:
    return examine_refund(checker, _target(ObjectKind.REFUND, row.stripe_id, row))


def _target(kind: ObjectKind, stripe_id: str, row: Ours | Finding) -> Target:
    assert row.payment_id is not None  # noqa: S101 - findings without one are not looked at by their object
    return Target(kind=kind, stripe_id=stripe_id, payment_id=row.payment_id, account=row.stripe_account)


def _examine_rows(checker: Checker, read_rows: Callable[..., Sequence[Ours]], kind: Rows) -> StepResult:
    run = checker.run
    stripe_list, examine = (
        (StripeList.PAYMENT_INTENTS, _payment) if kind is PAYMENTS else (StripeList.REFUNDS, _refund)
    )
    with checker.context.database.begin() as connection:
        rows = read_rows(connection, kind, run, after=_position(run.cursor), limit=ROWS)
    tally, lookups, last = Tally(), 0, None
    for last in rows:
        if not last.is_matched and not checker.is_refused(stripe_list, account=last.stripe_account):
            tally += examine(checker, last).tally
            lookups += 1
        if lookups == LOOKS:
            break
    is_done = last is None or (len(rows) < ROWS and last is rows[-1])
    return StepResult(tally=tally, cursor=None if is_done or last is None else _cursor(last))


def _cursor(row: Ours) -> str:
    return f"{row.at.isoformat()} {row.identity}"


def _position(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    at, identity = cursor.split()
    return datetime.fromisoformat(at), UUID(identity)


def unknown_attempts(checker: Checker) -> StepResult:
    """Note what has been unknown for long, whatever the run's period."""
    now = checker.context.clock()
    tally = Tally()
    with checker.context.database.begin() as connection:
        for each in reconciliation.unknown_since(connection, before=now - TOO_LONG, limit=UNKNOWN_AT_MOST):
            difference = Difference(
                kind=FindingKind.UNKNOWN_TOO_LONG,
                object_id=each.idempotency_key,
                payment_id=each.payment_id,
                refund_id=each.refund_id,
                detail={
                    "status": each.status,
                    "unknown_reason": each.unknown_reason,
                    "first_sent_at": each.first_sent_at.isoformat(),
                },
            )
            tally += checker.record(connection, difference, FindingStatus.OPEN)
    return StepResult(tally=tally)


def open_findings(checker: Checker) -> StepResult:
    """Look again at what is left open, from whatever run, and close what has gone."""
    with checker.context.database.begin() as connection:
        page = findings.still_open(connection, after=int(checker.run.cursor or 0), limit=LOOKS)
    closed = 0
    for finding in page:
        if FindingKind(finding.kind) not in _check_again(checker, finding).left:
            with checker.context.database.begin() as connection:
                now = checker.context.clock()
                closed += findings.close(connection, finding.finding_id, run_id=checker.run.run_id, now=now)
    cursor = str(page[-1].finding_id) if len(page) == LOOKS else None
    return StepResult(tally=Tally(closed=closed), cursor=cursor)


def _check_again(checker: Checker, finding: Finding) -> CheckResult:
    if finding.kind not in UNSEEN or finding.kind in IN_LEDGER:
        # Of a newer version, which knows what it means; or one that the balance import checks again.
        return CheckResult(left=UNSEEN)
    kind, account = FindingKind(finding.kind), finding.stripe_account
    if kind is FindingKind.UNKNOWN_TOO_LONG:
        with checker.context.database.begin() as connection:
            is_there = reconciliation.is_unfinished(connection, finding.object_id)
        return CheckResult(left=frozenset({kind}) if is_there else frozenset())
    stripe_list = _list_of(finding)
    if checker.is_refused(stripe_list, account=account):
        return CheckResult(left=UNSEEN)
    if kind in CLOSURES:
        return _check_closure_again(checker, finding, stripe_list)
    if (
        stripe_list is StripeList.EARLY_FRAUD_WARNINGS
        or finding.payment_id is None
        or not _is_decided(checker, kind, finding.payment_id)
    ):
        return CheckResult(left=frozenset({kind}))
    match stripe_list:
        case StripeList.DISPUTES:
            return checker.examine(_target(ObjectKind.DISPUTE, finding.object_id, finding))
        case StripeList.REFUNDS:
            return examine_refund(checker, _target(ObjectKind.REFUND, finding.object_id, finding))
        case StripeList.PAYMENT_INTENTS:
            return examine_payment(
                checker, payment_id=finding.payment_id, payment_intent=finding.object_id, account=account
            )


def _is_decided(checker: Checker, kind: FindingKind, payment_id: UUID) -> bool:
    """Whether refreshing one object decides it: for a lost payment, or several objects, it does not."""
    if kind not in {FindingKind.SEVERAL_PAYMENT_INTENTS, FindingKind.UNVERIFIED_METADATA}:
        return True
    with checker.context.database.begin() as connection:
        payment = payments.find(connection, payment_id)
    is_one = kind is not FindingKind.SEVERAL_PAYMENT_INTENTS
    return payment is not None and (is_one or payment.stripe_payment_intent_id is not None)


def _list_of(finding: Finding) -> StripeList:
    """On which list of Stripe's that is what was found to differ."""
    if finding.kind == FindingKind.LIST_UNREADABLE:
        return StripeList(finding.object_id.split()[0])
    if finding.kind.startswith("dispute"):
        return StripeList.DISPUTES
    is_refund = "refund" in finding.kind or finding.refund_id is not None
    return StripeList.REFUNDS if is_refund else StripeList.PAYMENT_INTENTS


def _check_closure_again(checker: Checker, finding: Finding, stripe_list: StripeList) -> CheckResult:
    account = finding.stripe_account
    # Only a scheduled run compares all that was not shown meanwhile, and only if it was shown all of it.
    if not checker.run.is_scheduled or finding.run_id == checker.run.run_id:
        return CheckResult(left=UNSEEN)
    period = Period(since=checker.context.clock())
    page = PAGES[stripe_list](checker.context.stripe, period, after=None, account=account)
    return CheckResult() if isinstance(page, Page) else checker.unseen(page, stripe_list, account=account)
