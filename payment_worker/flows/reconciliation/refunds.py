"""Compares Stripe's refunds with ours, page by page, and refreshes those that differ."""

from uuid import UUID

from payment_worker.domain.findings.kinds import Difference
from payment_worker.domain.findings.payments import unverified_metadata
from payment_worker.domain.findings.refunds import compare_refund
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.reconciliation.checker import Checker, CheckResult, StepResult, Tally
from payment_worker.flows.transitions.apply import NotShown
from payment_worker.flows.transitions.ownership import is_proven_refund
from payment_worker.flows.transitions.refresh import ObjectKind, Target, target_of
from payment_worker.flows.transitions.refunds import known_refund, may_be_ours, named_refund
from payment_worker.gateway.client import fetch_refund
from payment_worker.gateway.lists.pages import Page
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import reconciliation
from payment_worker.store.queries.reconciliation import KnownRefund
from payment_worker.store.reconciliation.findings import FindingStatus
from payment_worker.store.records import attempts, payments


def listed_refunds(checker: Checker, page: Page[RefundSnapshot]) -> StepResult:
    """Compare a page of an account's Refunds with our refunds."""
    intents = [each.stripe_payment_intent_id for each in page.objects]
    with checker.context.database.begin() as connection:
        owners = reconciliation.owners(connection, intents)
        known_refunds = reconciliation.known_refunds(
            connection,
            stripe_refund_ids=[snapshot.stripe_refund_id for snapshot in page.objects],
            refund_ids=[refund_id for snapshot in page.objects if (refund_id := as_uuid(snapshot.refund_id))],
        )
        proven_ids = {
            snapshot.stripe_refund_id
            for snapshot in page.objects
            if (payment := owners.get(snapshot.stripe_payment_intent_id))
            and _is_proven(checker, connection, payment, snapshot)
        }
    by_id: dict[UUID | None, KnownRefund] = {each.refund.refund_id: each for each in known_refunds}
    by_stripe_id = {each.refund.stripe_refund_id: each for each in known_refunds}
    tally = checker.left_out(ObjectKind.REFUND, page.left_out)
    matched = [each.object_id for each in page.left_out]
    for snapshot in page.objects:
        payment = owners.get(snapshot.stripe_payment_intent_id)
        if payment is not None:
            matched.append(snapshot.stripe_refund_id)
            named = by_id.get(as_uuid(snapshot.refund_id))
            recorded = by_stripe_id.get(snapshot.stripe_refund_id)
            if named and not named.refund.stripe_refund_id and snapshot.stripe_refund_id not in proven_ids:
                named = None
            tally += Tally(refunds=1) + _compare(checker, payment, recorded or named, named, snapshot)
        elif as_uuid(snapshot.refund_id) in by_id:
            tally += _record_on_another_payment(checker, snapshot)
    return StepResult(tally=tally, matched=matched, cursor=page.cursor, read_back_to=page.oldest_at)


def _is_proven(checker: Checker, connection: Connection, payment: Payment, snapshot: RefundSnapshot) -> bool:
    """Whether it is the refund that it names, by its MAC or because an operator accepted it."""
    is_accepted = snapshot.stripe_refund_id in checker.accepted
    return is_accepted or is_proven_refund(checker.context, connection, payment, snapshot)


def _record_on_another_payment(checker: Checker, snapshot: RefundSnapshot) -> Tally:
    """Note a Refund that names a refund of ours, and is of a PaymentIntent that is no payment's of ours."""
    difference = unverified_metadata(
        snapshot.stripe_refund_id,
        payment_id=None,
        refund_id=as_uuid(snapshot.refund_id),
        stripe_account=checker.run.stripe_account,
    )
    with checker.context.database.begin() as connection:
        return checker.record(connection, difference, FindingStatus.OPEN)


def _compare(
    checker: Checker,
    payment: Payment,
    recorded: KnownRefund | None,
    named: KnownRefund | None,
    snapshot: RefundSnapshot,
) -> Tally:
    is_being_executed = recorded and recorded.is_in_work and checker.leaves(recorded.refund.stripe_refund_id)
    is_same = recorded and (is_being_executed or compare_refund(payment, recorded.refund, snapshot) is None)
    if is_same and named in {None, recorded}:
        return Tally()
    return examine_refund(checker, target_of(ObjectKind.REFUND, snapshot.stripe_refund_id, payment)).tally


def examine_refund(checker: Checker, target: Target) -> CheckResult:
    """Compare one Refund with our refund, repair what can be repaired, and record what differs.

    Raises:
        StripeUnreachableError: it could not be retrieved.
    """
    snapshot = fetch_refund(checker.context.stripe, target.stripe_id, account=target.account)
    if not isinstance(snapshot, RefundSnapshot):
        return checker.examined(NotShown(target, snapshot))
    with checker.context.database.begin() as connection:
        payment = payments.find(connection, target.payment_id)
        if payment is None:
            return CheckResult()
        is_proven = _is_proven(checker, connection, payment, snapshot)
        refund = known_refund(connection, payment, snapshot, is_proven=is_proven)
        if refund and checker.leaves(refund.stripe_refund_id) and _is_in_work(connection, refund):
            return _result_in_work(payment, refund, snapshot)
        is_unproven = refund is None and not is_proven and may_be_ours(connection, payment, snapshot)
        difference = None if is_unproven else _second_refund(connection, payment, refund, snapshot)
        second_result = checker.left(connection, difference) if difference else CheckResult()
    result = checker.examine(target, snapshot)
    return CheckResult(result.tally + second_result.tally, result.left | second_result.left)


def _is_in_work(connection: Connection, refund: Refund) -> bool:
    attempt = attempts.unfinished(connection, payment_id=refund.payment_id, refund_id=refund.refund_id)
    return attempt is not None


def _result_in_work(payment: Payment, refund: Refund, snapshot: RefundSnapshot) -> CheckResult:
    """Record nothing while an attempt is executing; earlier findings stay."""
    difference = compare_refund(payment, refund, snapshot)
    return CheckResult(left=frozenset({difference.kind}) if difference else frozenset())


def _second_refund(
    connection: Connection, payment: Payment, refund: Refund | None, snapshot: RefundSnapshot
) -> Difference | None:
    """Whether it carries the id of a refund of ours that is another Refund: perhaps it was given twice."""
    named = named_refund(connection, snapshot)
    if named is None or (refund and named.refund_id == refund.refund_id):
        return None
    return compare_refund(payment, named, snapshot)
