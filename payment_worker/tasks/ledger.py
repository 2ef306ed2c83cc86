"""The task that imports Stripe's balance into the ledger."""

from datetime import timedelta

from celery import Task

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.contracts.requests import ImportBalanceRequest
from payment_worker.flows.ledger.import_balance import ImportOptions
from payment_worker.flows.ledger.run import import_balance as import_flow
from payment_worker.tasks.base import context, parsed, unless_unavailable, within
from payment_worker.telemetry import logger

log = logger(__name__)


@app.task(bind=True, name="payment_worker.import_balance", typing=False)
def import_balance(self: Task, *args: object, **kwargs: object) -> dict[str, int]:
    """Import what is new of every account's balance, and compare it with the ledger. Long imports are continued."""
    request = parsed(self, ImportBalanceRequest, args, kwargs)
    settings = bootstrap.settings()
    # Half of the time until the message would be given to another worker; the rest is for the last page.
    has_time = within(settings.visibility_timeout / 2)
    options = ImportOptions(
        overlap=timedelta(seconds=settings.poll_overlap),
        clear_within=timedelta(seconds=settings.clear_within),
        since=request.since,
        only=request.stripe_account,
        has_time=has_time,
    )
    results = unless_unavailable(self, lambda: import_flow(context(self), options))
    if results is None:
        log.info("import skipped: another process imports")
        return {}
    not_read = sum(not each.is_read for each in results)
    if not_read and not has_time():
        # With `since` it would begin anew: the window that it opened is continued.
        app.send_task(self.name)
    differing = sum(bool(proof.difference) for each in results for proof in each.proofs)
    if differing:
        log.warning("balance differs", currencies=differing)
    return {"accounts": len(results), "unread": not_read, "differing": differing}
