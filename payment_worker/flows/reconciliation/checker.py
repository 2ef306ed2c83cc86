"""Checks one object of Stripe's against our row: refreshes it, repairs what is safe, records the rest as findings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self, assert_never

from payment_worker.domain.accounts import account_of
from payment_worker.domain.attempts.outcome import Absent, Delay, Postponed
from payment_worker.domain.findings.closures import (
    Closed,
    closed_account,
    closed_list,
    closures,
    not_shown,
)
from payment_worker.domain.findings.kinds import Difference, FindingKind, StripeList
from payment_worker.domain.transitions.verdicts import AwaitsAttempt, KeyUnknown
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.apply import (
    Application,
    Applied,
    NoPayment,
    NotShown,
    Overtaken,
    apply_snapshot,
)
from payment_worker.flows.transitions.contradictions import missing_there, record_finding, unreadable
from payment_worker.flows.transitions.judgement import RefundProof
from payment_worker.flows.transitions.refresh import ObjectKind, Snapshot, Target, target_of
from payment_worker.gateway.client import NotFetched, Unreadable
from payment_worker.gateway.lists.pages import Page, Period, UnreadableObject, payment_intents_page
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import reconciliation
from payment_worker.store.reconciliation.findings import FindingStatus
from payment_worker.store.reconciliation.reconciliation_candidates import Candidate
from payment_worker.store.reconciliation.reconciliation_runs import Run
from payment_worker.store.records.history import Cause


class StripeUnreachableError(Exception):
    """Stripe is unreachable: the run keeps its position and is continued later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many objects were compared, and how many differences were repaired, left open or closed."""

    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    repaired: int = 0
    left_open: int = 0
    closed: int = 0

    def __add__(self, other: Self) -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in Tally.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The result of comparing a page, and where the next one begins."""

    tally: Tally
    matched: Collection[str] = ()
    """Stripe's ids of the objects that were met."""
    candidates: Sequence[Candidate] = ()
    """Those that prove to be of payments which are lost."""
    cursor: str | None = None
    """None: this part of the run is done."""
    read_back_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of refreshing one object."""

    tally: Tally = Tally()
    left: frozenset[FindingKind] = frozenset()
    """The differences that are still there."""


LIST_OF: Final = {
    ObjectKind.PAYMENT_INTENT: StripeList.PAYMENT_INTENTS,
    ObjectKind.REFUND: StripeList.REFUNDS,
    ObjectKind.DISPUTE: StripeList.DISPUTES,
}


UNSEEN: Final = frozenset(FindingKind)
"""Findings left of an object that Stripe denies us: none of its differences is known to be resolved."""


Accepted = Mapping[str, str]
"""The objects that an operator accepts as ours without a MAC, and why."""


@dataclass(frozen=True, slots=True)
class Checker:
    """A run at work."""

    context: Context
    run: Run
    refused: set[Closed] = field(default_factory=set)
    """What Stripe denied this process in this run, and is not requested again."""
    foreign_objects: Collection[str] = ()
    """Accounts without payments of ours that nobody named: whether they are closed does not matter."""
    accepted: Accepted = field(default_factory=dict)

    def cause(self, stripe_id: str) -> Cause:
        """The cause of a repair: this object, which an operator may have accepted."""
        reason = self.accepted.get(stripe_id)
        accepted_detail = {} if reason is None else {"accepted": stripe_id, "reason": reason}
        return self.context.cause("reconciliation", run_id=self.run.run_id, **accepted_detail)

    def leaves(self, stripe_id: str | None) -> bool:
        """Whether an object is skipped because a worker is executing an attempt on it.

        Not in a run over a named period if we know no Stripe object for it: in a database that was restored to an
        earlier point, the attempt's owner would look for the object too early, or create it again.
        """
        return self.run.is_scheduled or stripe_id is not None

    def record(self, connection: Connection, difference: Difference, status: FindingStatus) -> Tally:
        """Record a difference in the open transaction."""
        record_finding(self.context, connection, difference, status=status, run_id=self.run.run_id)
        is_open = status is FindingStatus.OPEN
        return Tally(left_open=int(is_open), repaired=int(not is_open))

    def is_refused(self, stripe_list: StripeList, *, account: str) -> bool:
        """Whether Stripe is known to deny us this."""
        return not self.refused.isdisjoint(closures(stripe_list, stripe_account=account))

    def left(self, connection: Connection, difference: Difference) -> CheckResult:
        """Record a difference that is left open, in the open transaction."""
        tally = self.record(connection, difference, FindingStatus.OPEN)
        return CheckResult(tally, frozenset({difference.kind}))

    def unseen(self, response: object, stripe_list: StripeList, *, account: str) -> CheckResult:
        """Record that Stripe denies us a connected account or this list of it, if this response says so.

        One account that was disconnected, or whose id was mistyped, must not stop the run for all others; nor must a
        list that a restricted key may not read.

        Raises:
            StripeUnreachableError: it has another reason: then the run waits.
        """
        reason = _refusal(response)
        closed = closed_list(stripe_list, stripe_account=account)
        is_connected = bool(account_of(account).connected)
        if is_connected and (stripe_list is StripeList.PAYMENT_INTENTS or not self._shows_payments(account)):
            closed = closed_account(account)
        self.refused.add(closed)
        if account in self.foreign_objects:
            return CheckResult(left=UNSEEN)
        difference = not_shown(closed, stripe_account=account, reason=reason)
        with self.context.database.begin() as connection:
            return CheckResult(self.record(connection, difference, FindingStatus.OPEN), UNSEEN)

    def _shows_payments(self, account: str) -> bool:
        """Whether an account is open to us for all that a list of it is not."""
        period = Period(since=self.context.clock())
        page = payment_intents_page(self.context.stripe, period, after=None, account=account)
        if isinstance(page, Page):
            return True
        _refusal(page)
        return False

    def examine(self, target: Target, snapshot: Snapshot | None = None) -> CheckResult:
        """Apply one object's current snapshot, and record what differed and what still differs.

        Raises:
            StripeUnreachableError: it could not be retrieved.
        """
        return self.examined(
            apply_snapshot(
                self.context,
                target,
                snapshot,
                cause=self.cause(target.stripe_id),
                run_id=self.run.run_id,
                proof=RefundProof(is_accepted=target.stripe_id in self.accepted),
            )
        )

    def examined(self, application: Application) -> CheckResult:
        """Record the result of refreshing one object."""
        match application:
            case Applied(AwaitsAttempt() | KeyUnknown()):
                return CheckResult(left=UNSEEN)
            case Applied(_, _, Difference() as difference):
                with self.context.database.begin() as connection:
                    return self.left(connection, difference)
            case Applied(_, Difference() as difference):
                with self.context.database.begin() as connection:
                    return CheckResult(self.record(connection, difference, FindingStatus.REPAIRED))
            case Applied() | Overtaken() | NoPayment():
                return CheckResult()
            case NotShown(target, failure):
                return self._result_without_object(target, failure)
            case _:
                assert_never(application)

    def _result_without_object(self, target: Target, failure: NotFetched) -> CheckResult:
        match failure:
            case Absent():
                with self.context.database.begin() as connection:
                    missing = missing_there(connection, target)
                    return self.left(connection, missing) if missing else CheckResult()
            case Unreadable():
                return self.unreadable(target)
            case _:
                return self.unseen(failure, LIST_OF[target.kind], account=target.account)

    def unreadable(self, target: Target) -> CheckResult:
        """Record that an object of a payment cannot be parsed, so that nothing else is known about it."""
        with self.context.database.begin() as connection:
            return CheckResult(self.record(connection, unreadable(target), FindingStatus.OPEN), UNSEEN)

    def left_out(self, kind: ObjectKind, objects: Sequence[UnreadableObject]) -> Tally:
        """Note those objects of a page that cannot be read and are of a payment of ours; others are not our matter."""
        if not objects:
            return Tally()
        intents = {each.object_id: each.stripe_payment_intent_id or each.object_id for each in objects}
        with self.context.database.begin() as connection:
            owners = reconciliation.owners(connection, intents.values())
        tally = Tally()
        for object_id, intent in intents.items():
            if payment := owners.get(intent):
                tally += self.unreadable(target_of(kind, object_id, payment)).tally
        return tally


def _refusal(response: object) -> Delay:
    """The rejection in this response; StripeUnreachableError if it is something else."""
    if isinstance(response, Postponed) and response.delay is Delay.ACCESS_DENIED:
        return response.delay
    raise StripeUnreachableError
