"""Comparing Refunds with our refunds: page by page, and once more where a difference shows."""

from typing import Final
from uuid import UUID

from payment_worker.domain.discrepancies import (
    REPAIRABLE,
    Difference,
    FindingKind,
    StripeList,
    compare_refund,
    refund_missing_there,
)
from payment_worker.domain.outcome import Absent
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.transitions import Advanced
from payment_worker.flows.events.payment_intent import catch_up
from payment_worker.flows.events.refund import apply_refund, known_refund, waiting
from payment_worker.flows.reconciliation.checker import Checker, Examined, Stride, Tally
from payment_worker.flows.transitions.ownership import as_uuid
from payment_worker.gateway.client import Unreadable, fetch_refund
from payment_worker.gateway.lists import Page, Period, refunds_page
from payment_worker.store import attempts, payments, reconciliation, refunds
from payment_worker.store.database import Connection
from payment_worker.store.findings import FindingStatus
from payment_worker.store.reconciliation import KnownRefund
from payment_worker.store.statements import write

MOST_TRIES: Final = 2
"""The second after the payment was brought up to date, without which a refund may find no room."""


def listed_refunds(checker: Checker, period: Period) -> Stride:
    """Compare a page of an account's Refunds with our refunds."""
    run = checker.run
    page = refunds_page(checker.world.stripe, period, after=run.cursor, account=run.stripe_account)
    if not isinstance(page, Page):
        return Stride(tally=checker.unseen(page, StripeList.REFUNDS, account=run.stripe_account).tally)
    intents = {intent for seen in page.objects if (intent := seen.stripe_payment_intent_id)}
    with checker.world.database.begin() as connection:
        owners = {
            each.payment.stripe_payment_intent_id: each.payment
            for each in reconciliation.known_payments(connection, payment_intents=intents)
        }
        found = reconciliation.known_refunds(
            connection,
            stripe_refund_ids=[seen.stripe_refund_id for seen in page.objects],
            refund_ids=[its_id for seen in page.objects if (its_id := as_uuid(seen.refund_id))],
        )
    by_id: dict[UUID | None, KnownRefund] = {each.refund.refund_id: each for each in found}
    by_stripe = {each.refund.stripe_refund_id: each for each in found}
    tally = checker.left_out(FindingKind.REFUND_UNREADABLE, page.left_out)
    matched = [each.object_id for each in page.left_out]
    for seen in page.objects:
        payment = owners.get(seen.stripe_payment_intent_id)
        if payment is not None:
            matched.append(seen.stripe_refund_id)
            named = by_id.get(as_uuid(seen.refund_id))
            known = by_stripe.get(seen.stripe_refund_id)
            tally += Tally(refunds=1) + _compare(checker, payment, known or named, named, seen)
    return Stride(tally=tally, matched=matched, cursor=page.cursor, read_back_to=page.oldest_at)


def _compare(
    checker: Checker,
    payment: Payment,
    known: KnownRefund | None,
    named: KnownRefund | None,
    seen: RefundSnapshot,
) -> Tally:
    in_good_hands = known and known.is_in_work and checker.leaves(known.refund.stripe_refund_id)
    same = known and (in_good_hands or compare_refund(payment, known.refund, seen) is None)
    if same and named in {None, known}:
        return Tally()
    examined = examine_refund(
        checker,
        payment_id=payment.payment_id,
        stripe_refund_id=seen.stripe_refund_id,
        account=payment.stripe_account,
    )
    return examined.tally


def examine_refund(
    checker: Checker, *, payment_id: UUID, stripe_refund_id: str, account: str | None
) -> Examined:
    """Look at one Refund and our refund, repair what can be repaired, and note what differs.

    Raises:
        StripeAwayError: it could not be looked at.
    """
    seen = fetch_refund(checker.world.stripe, stripe_refund_id, account=account)
    match seen:
        case Absent():
            return _absent(checker, stripe_refund_id, account)
        case RefundSnapshot():
            return _settle(checker, payment_id, seen)
        case Unreadable():
            return checker.unreadable(
                FindingKind.REFUND_UNREADABLE, stripe_refund_id, payment_id=payment_id, account=account
            )
        case _:
            return checker.unseen(seen, StripeList.REFUNDS, account=account)


def _absent(checker: Checker, stripe_refund_id: str, account: str | None) -> Examined:
    with checker.world.database.begin() as connection:
        refund = refunds.find_by_stripe(connection, stripe_refund_id)
        if refund is None:
            return Examined()
        return checker.left(connection, refund_missing_there(refund, stripe_account=account))


def _settle(checker: Checker, payment_id: UUID, seen: RefundSnapshot) -> Examined:
    examined = Examined()
    for _ in range(MOST_TRIES):
        with checker.world.database.begin() as connection:
            payment = payments.lock(connection, payment_id)
            if payment is None:
                return Examined()
            refund = _known(connection, payment, seen)
            if refund and checker.leaves(refund.stripe_refund_id) and _is_in_work(connection, refund):
                return _in_work(payment, refund, seen)
            second = _second(connection, payment, refund, seen)
            examined = _repair(checker, connection, payment, refund, seen)
            if second:
                also = checker.left(connection, second)
                examined = Examined(examined.tally + also.tally, examined.left | also.left)
        repairable = examined.left & REPAIRABLE
        if not repairable or not seen.stripe_payment_intent_id:
            break
        catch_up(checker.world, payment_id, seen.stripe_payment_intent_id, because="reconciliation")
    return examined


def _known(connection: Connection, payment: Payment, seen: RefundSnapshot) -> Refund | None:
    known = known_refund(connection, payment, seen)
    return known and (waiting(connection, known, seen) or known)


def _is_in_work(connection: Connection, refund: Refund) -> bool:
    found = attempts.unfinished(connection, payment_id=refund.payment_id, refund_id=refund.refund_id)
    return found is not None


def _in_work(payment: Payment, refund: Refund, seen: RefundSnapshot) -> Examined:
    """Nothing is noted of what is in work; what was found before is not over."""
    difference = compare_refund(payment, refund, seen)
    return Examined(left=frozenset({difference.kind}) if difference else frozenset())


def _second(
    connection: Connection, payment: Payment, refund: Refund | None, seen: RefundSnapshot
) -> Difference | None:
    """Whether it carries the id of a refund of ours that is another Refund: perhaps it was given twice."""
    named = refunds.find(connection, refund_id) if (refund_id := as_uuid(seen.refund_id)) else None
    if named is None or (refund and named.refund_id == refund.refund_id):
        return None
    return compare_refund(payment, named, seen)


def _repair(
    checker: Checker, connection: Connection, payment: Payment, refund: Refund | None, seen: RefundSnapshot
) -> Examined:
    difference = compare_refund(payment, refund, seen)
    if difference is None:
        return Examined()
    if difference.kind not in REPAIRABLE:
        return checker.left(connection, difference)
    verdict, writes = apply_refund(checker.world, connection, payment.payment_id, seen, cause=checker.cause())
    write(connection, writes)
    match verdict:
        case Advanced(_, Refund() as after) if compare_refund(payment, after, seen) is None:
            return Examined(checker.note(connection, difference, FindingStatus.REPAIRED))
        case _:
            return checker.left(connection, difference)
