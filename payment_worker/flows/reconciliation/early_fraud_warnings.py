"""Records the early fraud warnings in Stripe's list that our database lacks, page by page."""

from payment_worker.domain.early_fraud_warning import EarlyFraudWarning
from payment_worker.flows.reconciliation.checker import Checker, StepResult, Tally
from payment_worker.flows.transitions.early_fraud_warnings import record_warning
from payment_worker.gateway.lists.pages import Page
from payment_worker.store.queries import reconciliation


def listed_early_fraud_warnings(checker: Checker, page: Page[EarlyFraudWarning]) -> StepResult:
    """Record what is new on a page of an account's early fraud warnings; those of other apps' payments are skipped."""
    context = checker.context
    intents = [each.stripe_payment_intent_id for each in page.objects]
    repaired = 0
    with context.database.begin() as connection:
        owners = reconciliation.owners(connection, intents)
        for warning in page.objects:
            if payment := owners.get(warning.stripe_payment_intent_id):
                repaired += record_warning(context, connection, payment, warning)
    return StepResult(tally=Tally(repaired=repaired), cursor=page.cursor, read_back_to=page.oldest_at)
