"""Comparing Stripe's disputes with ours, page by page."""

from uuid import UUID

from payment_worker.domain import dispute as states
from payment_worker.domain.discrepancies import Difference, FindingKind, StripeList
from payment_worker.domain.dispute import DisputeMoved, DisputeSnapshot, DisputeStatus, MoneyNotSeen
from payment_worker.domain.outcome import Absent
from payment_worker.flows.events.payment_intent import catch_up
from payment_worker.flows.reconciliation.checker import Checker, Examined, Stride, Tally
from payment_worker.flows.transitions.disputes import apply_dispute
from payment_worker.gateway.client import Unreadable, fetch_dispute
from payment_worker.gateway.lists import Page, Period, disputes_page
from payment_worker.store import disputes, reconciliation
from payment_worker.store.findings import FindingStatus
from payment_worker.store.statements import write


def listed_disputes(checker: Checker, period: Period) -> Stride:
    """Compare a page of an account's disputes with ours."""
    run = checker.run
    page = disputes_page(checker.world.stripe, period, after=run.cursor, account=run.stripe_account)
    if not isinstance(page, Page):
        return Stride(tally=checker.unseen(page, StripeList.DISPUTES, account=run.stripe_account).tally)
    intents = {intent for seen in page.objects if (intent := seen.stripe_payment_intent_id)}
    with checker.world.database.begin() as connection:
        owners = {
            each.payment.stripe_payment_intent_id: each.payment.payment_id
            for each in reconciliation.known_payments(connection, payment_intents=intents)
        }
        known = disputes.statuses(connection, [seen.stripe_dispute_id for seen in page.objects])
    tally = checker.left_out(FindingKind.DISPUTE_UNREADABLE, page.left_out)
    for seen in page.objects:
        payment_id = owners.get(seen.stripe_payment_intent_id)
        if payment_id is not None:
            tally += Tally(disputes=1)
            ours = known.get(seen.stripe_dispute_id)
            if ours is not seen.status:
                tally += _compare(checker, payment_id, ours, seen).tally
    return Stride(tally=tally, cursor=page.cursor, read_back_to=page.oldest_at)


def _compare(
    checker: Checker, payment_id: UUID, ours: DisputeStatus | None, seen: DisputeSnapshot
) -> Examined:
    if ours is None or not states.either_came_last(ours, seen.status):
        return _settle(checker, payment_id, ours, seen)
    # The page may be older than our row: only a second look tells.
    return examine_dispute(
        checker,
        payment_id=payment_id,
        stripe_dispute_id=seen.stripe_dispute_id,
        account=checker.run.stripe_account or None,
    )


def examine_dispute(
    checker: Checker, *, payment_id: UUID, stripe_dispute_id: str, account: str | None
) -> Examined:
    """Look at one dispute, repair what can be repaired, and note what differs.

    Raises:
        StripeAwayError: it could not be looked at.
    """
    with checker.world.database.begin() as connection:
        ours = disputes.statuses(connection, [stripe_dispute_id]).get(stripe_dispute_id)
    seen = fetch_dispute(checker.world.stripe, stripe_dispute_id, account=account)
    if isinstance(seen, Absent):
        return Examined()
    if isinstance(seen, Unreadable):
        return checker.unreadable(
            FindingKind.DISPUTE_UNREADABLE, stripe_dispute_id, payment_id=payment_id, account=account
        )
    if not isinstance(seen, DisputeSnapshot):
        return checker.unseen(seen, StripeList.DISPUTES, account=account)
    return Examined() if ours is seen.status else _settle(checker, payment_id, ours, seen.as_of(ours))


def _settle(
    checker: Checker, payment_id: UUID, ours: DisputeStatus | None, seen: DisputeSnapshot
) -> Examined:
    difference = _difference(checker, payment_id, ours, seen)
    if ours and states.next_status(ours, seen.status) is ours:
        # The list may be older than our row; if it is not, no step forward explains it.
        with checker.world.database.begin() as connection:
            return checker.left(connection, difference)
    for _ in range(2):
        with checker.world.database.begin() as connection:
            verdict, writes = apply_dispute(
                checker.world, connection, payment_id, seen, cause=checker.cause()
            )
            match verdict:
                case DisputeMoved():
                    write(connection, writes)
                    return Examined(checker.note(connection, difference, FindingStatus.REPAIRED))
                case MoneyNotSeen():
                    pass
                case _:
                    return Examined()
        catch_up(checker.world, payment_id, str(seen.stripe_payment_intent_id), because="reconciliation")
    with checker.world.database.begin() as connection:
        return checker.left(connection, difference)


def _difference(
    checker: Checker, payment_id: UUID, ours: DisputeStatus | None, seen: DisputeSnapshot
) -> Difference:
    return Difference(
        kind=FindingKind.DISPUTE_STATUS_DIFFERS if ours else FindingKind.DISPUTE_NOT_RECORDED,
        object_id=seen.stripe_dispute_id,
        stripe_account=checker.run.stripe_account or None,
        payment_id=payment_id,
        detail={"ours": ours, "theirs": seen.status},
    )
