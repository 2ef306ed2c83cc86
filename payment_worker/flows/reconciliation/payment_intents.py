"""Comparing PaymentIntents with our payments: page by page, and once more where a difference shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payment_worker.domain.balance_transaction import Booking
from payment_worker.domain.discrepancies import (
    REPAIRABLE,
    FindingKind,
    StripeList,
    compare_payment,
    payment_missing_here,
    payment_missing_there,
)
from payment_worker.domain.outcome import Absent
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions import Advanced, Stale
from payment_worker.flows.reconciliation.checker import Checker, Examined, Stride, Tally
from payment_worker.flows.reconciliation.restore import bring_back
from payment_worker.flows.transitions.ownership import as_uuid
from payment_worker.flows.transitions.payments import apply_payment_intent
from payment_worker.gateway.client import Unreadable, fetch_payment_intent
from payment_worker.gateway.lists import Page, PaymentListed, Period, payment_intents_page
from payment_worker.store import attempts, payments, reconciliation
from payment_worker.store.findings import FindingStatus
from payment_worker.store.reconciliation import KnownPayment
from payment_worker.store.statements import write

MOST_LOOKS: Final = 3
"""Times that a payment may change while it is looked at before it is left alone: it is in good hands then."""


def payment_intents(checker: Checker, period: Period) -> Stride:
    """Compare a page of an account's PaymentIntents with our payments."""
    run = checker.run
    page = payment_intents_page(checker.world.stripe, period, after=run.cursor, account=run.stripe_account)
    if not isinstance(page, Page):
        return Stride(
            tally=checker.unseen(page, StripeList.PAYMENT_INTENTS, account=run.stripe_account).tally
        )
    known = _known(checker, page)
    tally = checker.left_out(FindingKind.PAYMENT_UNREADABLE, page.left_out)
    matched = [each.object_id for each in page.left_out]
    for listed in page.objects:
        ours = known.of(listed.seen)
        if ours and (ours.payment.stripe_account or "") != run.stripe_account:
            continue  # whoever has another account may write what they like into its metadata
        if ours or as_uuid(listed.seen.payment_id):
            matched.append(listed.seen.stripe_payment_intent_id)
            tally += Tally(payments=1) + _compare(checker, listed, ours)
    return Stride(tally=tally, matched=matched, cursor=page.cursor, read_back_to=page.oldest_at)


@dataclass(frozen=True, slots=True)
class _Known:
    """Our payments that are on a page."""

    by_intent: Mapping[str | None, KnownPayment]
    by_id: Mapping[UUID | None, KnownPayment]

    def of(self, seen: PaymentIntentSnapshot) -> KnownPayment | None:
        """The one that a PaymentIntent is, or else the one that it names."""
        return self.by_intent.get(seen.stripe_payment_intent_id) or self.by_id.get(as_uuid(seen.payment_id))


def _known(checker: Checker, page: Page[PaymentListed]) -> _Known:
    named = [as_uuid(listed.seen.payment_id) for listed in page.objects]
    with checker.world.database.begin() as connection:
        found = reconciliation.known_payments(
            connection,
            payment_intents=[listed.seen.stripe_payment_intent_id for listed in page.objects],
            payment_ids=[each for each in named if each],
        )
    return _Known(
        by_intent={each.payment.stripe_payment_intent_id: each for each in found},
        by_id={each.payment.payment_id: each for each in found},
    )


def _compare(checker: Checker, listed: PaymentListed, ours: KnownPayment | None) -> Tally:
    is_its_own = ours and ours.payment.stripe_payment_intent_id == listed.seen.stripe_payment_intent_id
    if ours and is_its_own and not ours.is_booked:
        _book(checker, ours.payment.payment_id, listed.booking)
    in_good_hands = ours and ours.is_in_work and checker.leaves(ours.payment.stripe_payment_intent_id)
    if ours and (in_good_hands or compare_payment(ours.payment, listed.seen) is None):
        return Tally()
    # The page may be older than our row, or the row than the page: only a second look tells.
    payment_id = ours.payment.payment_id if ours else as_uuid(listed.seen.payment_id)
    tally = examine_payment(
        checker,
        payment_id=payment_id,
        payment_intent=listed.seen.stripe_payment_intent_id,
        account=checker.run.stripe_account or None,
    ).tally
    if payment_id and not ours and tally.repaired:
        _book(checker, payment_id, listed.booking)
    return tally


def _book(checker: Checker, payment_id: UUID, booking: Booking | None) -> None:
    if booking is not None:
        with checker.world.database.begin() as connection:
            write(connection, [payments.booked(payment_id, booking, now=checker.world.clock())])


def examine_payment(
    checker: Checker, *, payment_id: UUID | None, payment_intent: str, account: str | None
) -> Examined:
    """Look at one PaymentIntent and its payment, repair what can be repaired, and note what differs.

    Raises:
        StripeAwayError: it could not be looked at.
    """
    for _ in range(MOST_LOOKS):
        with checker.world.database.begin() as connection:
            before = payments.find(connection, payment_id) if payment_id else None
        if payment_id and not before and not checker.run.is_scheduled:
            brought_back = bring_back(checker, payment_id, payment_intent, account=account)
            if brought_back is not None:
                return brought_back
        seen = fetch_payment_intent(checker.world.stripe, payment_intent, account=account)
        match seen:
            case Absent():
                return _absent(checker, before, payment_intent)
            case PaymentIntentSnapshot():
                examined = _settle(
                    checker, payment_id, seen.as_of(before.version) if before else seen, account
                )
                if examined is not None:
                    return examined
            case Unreadable():
                return checker.unreadable(
                    FindingKind.PAYMENT_UNREADABLE, payment_intent, payment_id=payment_id, account=account
                )
            case _:
                return checker.unseen(seen, StripeList.PAYMENT_INTENTS, account=account)
    return Examined()


def _absent(checker: Checker, payment: Payment | None, payment_intent: str) -> Examined:
    if payment is None or payment.stripe_payment_intent_id != payment_intent:
        return Examined()
    with checker.world.database.begin() as connection:
        return checker.left(connection, payment_missing_there(payment))


def _settle(
    checker: Checker, payment_id: UUID | None, seen: PaymentIntentSnapshot, account: str | None
) -> Examined | None:
    """None where the payment has moved on meanwhile."""
    with checker.world.database.begin() as connection:
        payment = payments.lock(connection, payment_id) if payment_id else None
        if payment is None:
            named = payment_id or as_uuid(seen.payment_id)
            missing = named and payment_missing_here(seen, payment_id=named, stripe_account=account)
            return checker.left(connection, missing) if missing else Examined()
        difference = compare_payment(payment, seen)
        if difference is None:
            return Examined()
        in_work = attempts.unfinished(connection, payment_id=payment.payment_id)
        if in_work and checker.leaves(payment.stripe_payment_intent_id):
            # Nothing is noted of what is in work; what was found before is not over.
            return Examined(left=frozenset({difference.kind}))
        if difference.kind not in REPAIRABLE:
            return checker.left(connection, difference)
        verdict, writes = apply_payment_intent(
            payment, seen, cause=checker.cause(), now=checker.world.clock()
        )
        if isinstance(verdict, Stale):
            return None
        write(connection, writes)
        after = verdict.payment if isinstance(verdict, Advanced) else payment
        if left := compare_payment(after, seen):
            return checker.left(connection, left)
        return Examined(checker.note(connection, difference, FindingStatus.REPAIRED))
