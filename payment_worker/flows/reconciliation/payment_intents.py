"""Compares PaymentIntents with our payments: page by page, and once more where a difference shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.discrepancies import StripeList, compare_payment, payment_missing_here
from payment_worker.domain.outcome import Absent
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.flows.reconciliation.checker import Checker, CheckResult, StepResult, Tally, target_of
from payment_worker.flows.reconciliation.restore import restore_payment
from payment_worker.flows.transitions.apply import NotShown
from payment_worker.flows.transitions.ownership import as_uuid
from payment_worker.flows.transitions.refresh import ObjectKind, Target
from payment_worker.gateway.client import Unreadable, fetch_payment_intent
from payment_worker.gateway.lists import ListedPaymentIntent, Page, Period, payment_intents_page
from payment_worker.store import attempts, payments, reconciliation
from payment_worker.store.reconciliation import KnownPayment
from payment_worker.store.statements import write


def payment_intents(checker: Checker, period: Period) -> StepResult:
    """Compare a page of an account's PaymentIntents with our payments."""
    run = checker.run
    page = payment_intents_page(checker.context.stripe, period, after=run.cursor, account=run.stripe_account)
    if not isinstance(page, Page):
        return StepResult(
            tally=checker.unseen(page, StripeList.PAYMENT_INTENTS, account=run.stripe_account).tally
        )
    known = _known(checker, page)
    tally = checker.left_out(ObjectKind.PAYMENT_INTENT, page.left_out)
    matched = [each.object_id for each in page.left_out]
    for listed in page.objects:
        ours = known.of(listed.seen)
        if ours and (ours.payment.stripe_account or "") != run.stripe_account:
            continue  # whoever has another account may write what they like into its metadata
        if ours or as_uuid(listed.seen.payment_id):
            matched.append(listed.seen.stripe_payment_intent_id)
            tally += Tally(payments=1) + _compare(checker, listed, ours)
    return StepResult(tally=tally, matched=matched, cursor=page.cursor, read_back_to=page.oldest_at)


@dataclass(frozen=True, slots=True)
class _Known:
    """Our payments that are on a page."""

    by_intent: Mapping[str | None, KnownPayment]
    by_id: Mapping[UUID | None, KnownPayment]

    def of(self, seen: PaymentIntentSnapshot) -> KnownPayment | None:
        """The one that a PaymentIntent is, or else the one that it names."""
        return self.by_intent.get(seen.stripe_payment_intent_id) or self.by_id.get(as_uuid(seen.payment_id))


def _known(checker: Checker, page: Page[ListedPaymentIntent]) -> _Known:
    named = [as_uuid(listed.seen.payment_id) for listed in page.objects]
    with checker.context.database.begin() as connection:
        found = reconciliation.known_payments(
            connection,
            payment_intents=[listed.seen.stripe_payment_intent_id for listed in page.objects],
            payment_ids=[each for each in named if each],
        )
    return _Known(
        by_intent={each.payment.stripe_payment_intent_id: each for each in found},
        by_id={each.payment.payment_id: each for each in found},
    )


def _compare(checker: Checker, listed: ListedPaymentIntent, ours: KnownPayment | None) -> Tally:
    is_its_own = ours and ours.payment.stripe_payment_intent_id == listed.seen.stripe_payment_intent_id
    if ours and is_its_own and not ours.has_balance_transaction:
        _book(checker, ours.payment.payment_id, listed.balance_transaction)
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
        _book(checker, payment_id, listed.balance_transaction)
    return tally


def _book(checker: Checker, payment_id: UUID, balance_transaction: BalanceTransaction | None) -> None:
    if balance_transaction is not None:
        with checker.context.database.begin() as connection:
            write(
                connection,
                [
                    payments.with_balance_transaction(
                        payment_id, balance_transaction, now=checker.context.clock()
                    )
                ],
            )


def examine_payment(
    checker: Checker, *, payment_id: UUID | None, payment_intent: str, account: str | None
) -> CheckResult:
    """Look at one PaymentIntent and its payment, repair what can be repaired, and note what differs.

    Raises:
        StripeAwayError: it could not be looked at.
    """
    with checker.context.database.begin() as connection:
        payment = payments.find(connection, payment_id) if payment_id else None
        in_work = payment and attempts.unfinished(connection, payment_id=payment.payment_id)
    if payment_id and not payment and not checker.run.is_scheduled:
        brought_back = restore_payment(checker, payment_id, payment_intent, account=account)
        if brought_back is not None:
            return brought_back
    if payment is None:
        return _missing_here(checker, payment_id, payment_intent, account=account)
    target = target_of(ObjectKind.PAYMENT_INTENT, payment_intent, payment)
    if in_work and checker.leaves(payment.stripe_payment_intent_id):
        return _in_work(checker, payment, target)
    return checker.examine(target)


def _in_work(checker: Checker, payment: Payment, target: Target) -> CheckResult:
    """Nothing is noted of what is in work; what was found before is not over."""
    seen = fetch_payment_intent(checker.context.stripe, target.stripe_id, account=target.account)
    if not isinstance(seen, PaymentIntentSnapshot):
        return checker.examined(NotShown(target, seen))
    difference = compare_payment(payment, seen)
    return CheckResult(left=frozenset({difference.kind}) if difference else frozenset())


def _missing_here(
    checker: Checker, payment_id: UUID | None, payment_intent: str, *, account: str | None
) -> CheckResult:
    seen = fetch_payment_intent(checker.context.stripe, payment_intent, account=account)
    match seen:
        case PaymentIntentSnapshot():
            named = payment_id or as_uuid(seen.payment_id)
            if named is None:
                return CheckResult()
            missing = payment_missing_here(seen, payment_id=named, stripe_account=account)
            with checker.context.database.begin() as connection:
                return checker.left(connection, missing)
        case Absent() | Unreadable():
            return CheckResult()
        case _:
            return checker.unseen(seen, StripeList.PAYMENT_INTENTS, account=account)
