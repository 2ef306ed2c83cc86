"""Compares Stripe's PaymentIntents with our payments, page by page, and refreshes those that differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from payment_worker.domain.attempts.idempotency_key import is_charge_key
from payment_worker.domain.attempts.outcome import Absent
from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.findings.kinds import Difference, FindingKind, StripeList
from payment_worker.domain.findings.payments import (
    compare_payment,
    payment_missing_here,
    second_payment_intent,
    several_payment_intents,
    unverified_metadata,
)
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.reconciliation.checker import (
    Checker,
    CheckResult,
    StepResult,
    StripeUnreachableError,
    Tally,
)
from payment_worker.flows.reconciliation.restore import restore_payment
from payment_worker.flows.transitions.apply import NotShown
from payment_worker.flows.transitions.ownership import is_of, is_proven
from payment_worker.flows.transitions.provenance import charged_under, keys_of
from payment_worker.flows.transitions.refresh import ObjectKind, Target, target_of
from payment_worker.gateway.client import Unreadable, fetch_payment_intent
from payment_worker.gateway.lists.pages import ListedPaymentIntent, Page
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import reconciliation
from payment_worker.store.queries.reconciliation import KnownPayment
from payment_worker.store.reconciliation import reconciliation_candidates
from payment_worker.store.reconciliation.reconciliation_candidates import Candidate
from payment_worker.store.records import attempts, payments, stripe_requests
from payment_worker.store.statements import write

LOST: Final = 50
"""Lost payments that are decided on before the run's place is written."""


def payment_intents(checker: Checker, page: Page[ListedPaymentIntent]) -> StepResult:
    """Compare a page of an account's PaymentIntents with our payments."""
    known_payments = _known_payments(checker, page)
    tally = checker.left_out(ObjectKind.PAYMENT_INTENT, page.left_out)
    matched = [each.object_id for each in page.left_out]
    candidates: list[Candidate] = []
    for listed in page.objects:
        known, payment_id = known_payments.of(listed.snapshot), as_uuid(listed.snapshot.payment_id)
        if known is None and payment_id is None:
            continue  # another app's
        matched.append(listed.snapshot.stripe_payment_intent_id)
        tally += Tally(payments=1)
        if payment_id and _is_candidate(checker, listed.snapshot, known):
            candidates.append(
                Candidate(
                    stripe_payment_intent_id=listed.snapshot.stripe_payment_intent_id,
                    payment_id=payment_id,
                    stripe_account=checker.run.stripe_account,
                )
            )
        else:
            tally += _compare(checker, listed, known)
    return StepResult(
        tally=tally,
        matched=matched,
        candidates=candidates,
        cursor=page.cursor,
        read_back_to=page.oldest_at,
    )


def _is_candidate(checker: Checker, snapshot: PaymentIntentSnapshot, known: KnownPayment | None) -> bool:
    """Whether it proves to be of a payment that is lost, or has lost its PaymentIntent, and may get it back.

    Whether no other one does is known once all lists are read.
    """
    if known and (known.payment.stripe_payment_intent_id or (known.is_in_work and checker.leaves(None))):
        return False
    if known is None and checker.run.is_scheduled:
        return False
    with checker.context.database.begin() as connection:
        return _is_ours(
            checker, connection, known.payment if known else None, snapshot, checker.run.stripe_account
        )


def _is_ours(
    checker: Checker,
    connection: Connection,
    payment: Payment | None,
    snapshot: PaymentIntentSnapshot,
    account: str,
) -> bool:
    """Whether it belongs to the payment that it names, by its MAC or because an operator accepted it."""
    if payment is None:
        has_proof = is_proven(checker.context, connection, snapshot.named, account=account)
        return has_proof or snapshot.stripe_payment_intent_id in checker.accepted
    if snapshot.stripe_payment_intent_id in checker.accepted:
        return as_uuid(snapshot.payment_id) == payment.payment_id and payment.stripe_account == account
    return is_of(checker.context, connection, payment, snapshot.named, account=account)


def lost_payments(checker: Checker) -> StepResult:
    """Restore payments to which exactly one PaymentIntent belongs; if several do, an operator has to decide."""
    run = checker.run
    after = UUID(run.cursor) if run.cursor else None
    with checker.context.database.begin() as connection:
        page = reconciliation_candidates.payments(connection, run_id=run.run_id, after=after, limit=LOST)
        candidates_by_payment = [
            reconciliation_candidates.of_payment(connection, each, run_id=run.run_id) for each in page
        ]
    tally = sum((_choose_candidate(checker, each) for each in candidates_by_payment), Tally())
    return StepResult(tally=tally, cursor=str(page[-1]) if len(page) == LOST else None)


def _choose_candidate(checker: Checker, candidates: Sequence[Candidate]) -> Tally:
    accepted = [each for each in candidates if each.stripe_payment_intent_id in checker.accepted]
    chosen = accepted or candidates
    if len(chosen) > 1:
        with checker.context.database.begin() as connection:
            results = [checker.left(connection, _several_candidates(each, len(chosen))) for each in chosen]
        return sum((each.tally for each in results), Tally())
    is_made_by_us = bool(accepted) or _is_made_by_us(checker, chosen[0])
    if is_made_by_us is None:
        return Tally()  # the attempt ends first, and its look-up checks the key
    if not is_made_by_us:
        with checker.context.database.begin() as connection:
            return checker.left(connection, _unverified(chosen[0])).tally
    others = [each for each in candidates if each not in chosen]
    return sum(
        (
            examine_payment(
                checker,
                payment_id=each.payment_id,
                payment_intent=each.stripe_payment_intent_id,
                account=each.stripe_account,
                is_chosen=each in chosen,
            ).tally
            for each in [*chosen, *others]
        ),
        Tally(),
    )


def _is_made_by_us(checker: Checker, candidate: Candidate) -> bool | None:
    """Whether an event tells that a request of ours made it; None where an attempt that has no answer yet may have.

    Raises:
        StripeUnreachableError: Stripe is unreachable.
    """
    keys = keys_of(
        checker.context,
        ObjectKind.PAYMENT_INTENT,
        candidate.stripe_payment_intent_id,
        account=candidate.stripe_account,
    )
    if not isinstance(keys, frozenset):
        raise StripeUnreachableError
    with checker.context.database.begin() as connection:
        payment = payments.find(connection, candidate.payment_id)
        if any(_is_our_key(checker, connection, candidate.payment_id, key) for key in keys):
            return True
        unfinished = payment and attempts.unfinished(connection, payment_id=payment.payment_id)
    return None if unfinished and not keys else False


def _is_our_key(checker: Checker, connection: Connection, payment_id: UUID, key: str) -> bool:
    """Whether it is the key of a request to charge the payment that is stored; or lost, as after a restore."""
    if stripe_requests.is_known(connection, key):
        return charged_under(checker.context, connection, payment_id, key)
    return not checker.run.is_scheduled and is_charge_key(key, payment_id)


def _unverified(candidate: Candidate) -> Difference:
    return unverified_metadata(
        candidate.stripe_payment_intent_id,
        payment_id=candidate.payment_id,
        stripe_account=candidate.stripe_account,
    )


def _several_candidates(candidate: Candidate, count: int) -> Difference:
    return several_payment_intents(
        candidate.stripe_payment_intent_id,
        payment_id=candidate.payment_id,
        stripe_account=candidate.stripe_account,
        count=count,
    )


@dataclass(frozen=True, slots=True)
class _KnownPayments:
    """Our payments that are on a page."""

    by_intent: Mapping[str | None, KnownPayment]
    by_id: Mapping[UUID | None, KnownPayment]

    def of(self, snapshot: PaymentIntentSnapshot) -> KnownPayment | None:
        """The one that a PaymentIntent is, or else the one that it names."""
        return self.by_intent.get(snapshot.stripe_payment_intent_id) or self.by_id.get(
            as_uuid(snapshot.payment_id)
        )


def _known_payments(checker: Checker, page: Page[ListedPaymentIntent]) -> _KnownPayments:
    named_ids = [as_uuid(listed.snapshot.payment_id) for listed in page.objects]
    with checker.context.database.begin() as connection:
        known_payments = reconciliation.known_payments(
            connection,
            payment_intents=[listed.snapshot.stripe_payment_intent_id for listed in page.objects],
            payment_ids=[each for each in named_ids if each],
        )
    return _KnownPayments(
        by_intent={each.payment.stripe_payment_intent_id: each for each in known_payments},
        by_id={each.payment.payment_id: each for each in known_payments},
    )


def _compare(checker: Checker, listed: ListedPaymentIntent, known: KnownPayment | None) -> Tally:
    is_its_own = known and known.payment.stripe_payment_intent_id == listed.snapshot.stripe_payment_intent_id
    if known and is_its_own and not known.has_balance_transaction:
        _record_balance_transaction(checker, known.payment.payment_id, listed.balance_transaction)
    if known and is_its_own and compare_payment(known.payment, listed.snapshot) is None:
        return Tally()
    if known and known.is_in_work and checker.leaves(known.payment.stripe_payment_intent_id):
        return Tally()
    # The page may be older than our row, or the row than the page: only a refresh decides.
    return examine_payment(
        checker,
        payment_id=known.payment.payment_id if known else as_uuid(listed.snapshot.payment_id),
        payment_intent=listed.snapshot.stripe_payment_intent_id,
        account=checker.run.stripe_account,
    ).tally


def _record_balance_transaction(
    checker: Checker, payment_id: UUID, balance_transaction: BalanceTransaction | None
) -> None:
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
    checker: Checker,
    *,
    payment_id: UUID | None,
    payment_intent: str,
    account: str,
    is_chosen: bool = False,
) -> CheckResult:
    """Compare one PaymentIntent with its payment, repair what can be repaired, and record what differs.

    Args:
        is_chosen: whether no other PaymentIntent can belong to this payment.

    Raises:
        StripeUnreachableError: it could not be retrieved.
    """
    with checker.context.database.begin() as connection:
        payment = payments.find(connection, payment_id) if payment_id else None
        unfinished = payment and attempts.unfinished(connection, payment_id=payment.payment_id)
    is_left = bool(payment and unfinished and checker.leaves(payment.stripe_payment_intent_id))
    if payment and payment.stripe_payment_intent_id == payment_intent:
        target = target_of(ObjectKind.PAYMENT_INTENT, payment_intent, payment)
        return _result_in_work(checker, payment, target) if is_left else checker.examine(target)
    if payment_id and not payment and is_chosen:
        restored = restore_payment(checker, payment_id, payment_intent, account=account)
        if restored is not None:
            return restored
    snapshot = fetch_payment_intent(checker.context.stripe, payment_intent, account=account)
    match snapshot:
        case PaymentIntentSnapshot():
            return _examine_named(checker, payment, snapshot, account, is_chosen=is_chosen and not is_left)
        case Absent() | Unreadable():
            return CheckResult()
        case _:
            return checker.unseen(snapshot, StripeList.PAYMENT_INTENTS, account=account)


def _examine_named(
    checker: Checker,
    payment: Payment | None,
    snapshot: PaymentIntentSnapshot,
    account: str,
    *,
    is_chosen: bool,
) -> CheckResult:
    with checker.context.database.begin() as connection:
        result = _check_claim(checker, connection, payment, snapshot, account)
    if result or payment is None:
        return result or CheckResult()
    if not is_chosen:
        # Once all lists are read, it may become this payment's; until then what was found is not over.
        return CheckResult(left=_open_difference(payment, snapshot).left | {FindingKind.UNVERIFIED_METADATA})
    target = target_of(ObjectKind.PAYMENT_INTENT, snapshot.stripe_payment_intent_id, payment)
    return checker.examine(target, snapshot.as_of(payment.version))


def _check_claim(
    checker: Checker,
    connection: Connection,
    payment: Payment | None,
    snapshot: PaymentIntentSnapshot,
    account: str,
) -> CheckResult | None:
    """What is left of a PaymentIntent that is no payment's own; None where it may become this payment's."""
    payment_id = as_uuid(snapshot.payment_id)
    has_other = payment and payment.stripe_payment_intent_id
    if payment_id and not _is_ours(checker, connection, payment, snapshot, account):
        difference = unverified_metadata(
            snapshot.stripe_payment_intent_id, payment_id=payment_id, stripe_account=account
        )
        return checker.left(connection, difference)
    if payment and has_other:
        # That the metadata of one that was found before are gone now makes it no better.
        return checker.left(connection, second_payment_intent(payment, snapshot.stripe_payment_intent_id))
    if payment_id is None:
        return CheckResult()
    if payment is None:
        return checker.left(
            connection, payment_missing_here(snapshot, payment_id=payment_id, stripe_account=account)
        )
    return None


def _result_in_work(checker: Checker, payment: Payment, target: Target) -> CheckResult:
    """Record nothing while an attempt is executing; earlier findings stay."""
    snapshot = fetch_payment_intent(checker.context.stripe, target.stripe_id, account=target.account)
    if not isinstance(snapshot, PaymentIntentSnapshot):
        return checker.examined(NotShown(target, snapshot))
    return _open_difference(payment, snapshot)


def _open_difference(payment: Payment, snapshot: PaymentIntentSnapshot) -> CheckResult:
    difference = compare_payment(payment, snapshot)
    return CheckResult(left=frozenset({difference.kind}) if difference else frozenset())
