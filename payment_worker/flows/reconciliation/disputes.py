"""Compares Stripe's disputes with our rows, page by page."""

from payment_worker.domain.snapshots import DisputeSnapshot
from payment_worker.flows.reconciliation.checker import Checker, StepResult, Tally
from payment_worker.flows.transitions.refresh import ObjectKind, target_of
from payment_worker.gateway.lists.pages import Page
from payment_worker.store.queries import reconciliation
from payment_worker.store.records import disputes


def listed_disputes(checker: Checker, page: Page[DisputeSnapshot]) -> StepResult:
    """Compare a page of an account's disputes with ours."""
    intents = [each.stripe_payment_intent_id for each in page.objects]
    with checker.context.database.begin() as connection:
        owners = reconciliation.owners(connection, intents)
        known_statuses = disputes.statuses(
            connection, [snapshot.stripe_dispute_id for snapshot in page.objects]
        )
    tally = checker.left_out(ObjectKind.DISPUTE, page.left_out)
    for snapshot in page.objects:
        if payment := owners.get(snapshot.stripe_payment_intent_id):
            tally += Tally(disputes=1)
            if known_statuses.get(snapshot.stripe_dispute_id) is not snapshot.status:
                # The page may be older than our row: only a refresh decides.
                tally += checker.examine(
                    target_of(ObjectKind.DISPUTE, snapshot.stripe_dispute_id, payment)
                ).tally
    return StepResult(tally=tally, cursor=page.cursor, read_back_to=page.oldest_at)
