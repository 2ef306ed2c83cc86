"""Records fee and net of many charges with one request to Stripe, and finishes their events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.flows.context import Context
from payment_worker.flows.events.finish import Finished, finish
from payment_worker.flows.events.result import Processed, Reason
from payment_worker.gateway.client import fetch_balance_transaction
from payment_worker.gateway.lists.pages import Page, Period, balance_transactions_page
from payment_worker.store.events.inbox import InboxEvent
from payment_worker.store.records import payments

BEFORE_ITS_EVENT: Final = timedelta(minutes=1)
"""How long before its event a balance transaction was created, usually in the same second."""

MOST_PAGES: Final = 4
"""Of the list. An event whose balance transaction is on none of them is processed alone."""


@dataclass(frozen=True, slots=True)
class LacksFee:
    """An event that tells nothing new but where fee and net of its payment are."""

    event: InboxEvent
    payment_id: UUID
    stripe_balance_transaction_id: str


def record_fees(context: Context, lacking_fees: Sequence[LacksFee]) -> Sequence[Finished]:
    """Record fee and net of those payments whose balance transactions Stripe shows."""
    finished: list[Finished] = []
    for account in sorted({each.event.stripe_account for each in lacking_fees}):
        finished += _record_fees_of_account(
            context, account, [each for each in lacking_fees if each.event.stripe_account == account]
        )
    return finished


def _record_fees_of_account(
    context: Context, account: str, lacking_fees: Sequence[LacksFee]
) -> list[Finished]:
    transactions = (
        _retrieve_transaction(context, account, lacking_fees)
        if len(lacking_fees) == 1
        else _list_transactions(context, account, lacking_fees)
    )
    by_id = {each.stripe_balance_transaction_id: each for each in transactions}
    matched = [each for each in lacking_fees if each.stripe_balance_transaction_id in by_id]
    if not matched:
        return []
    fees: dict[UUID, BalanceTransaction] = {
        each.payment_id: by_id[each.stripe_balance_transaction_id] for each in matched
    }
    finished = [Finished(each.event, Processed(Reason.CHANGED), each.payment_id) for each in matched]
    with context.database.begin() as connection:
        payments.record_balance_transactions(connection, fees, now=context.clock())
        finish(context, connection, finished)
    return finished


def _retrieve_transaction(
    context: Context, account: str, lacking_fees: Sequence[LacksFee]
) -> Sequence[BalanceTransaction]:
    stripe_id = lacking_fees[0].stripe_balance_transaction_id
    transaction = fetch_balance_transaction(context.stripe, stripe_id, account=account)
    return [transaction] if isinstance(transaction, BalanceTransaction) else []


def _list_transactions(
    context: Context, account: str, lacking_fees: Sequence[LacksFee]
) -> Sequence[BalanceTransaction]:
    created_times = [datetime.fromtimestamp(each.event.payload["created"], tz=UTC) for each in lacking_fees]
    period = Period(since=min(created_times) - BEFORE_ITS_EVENT, until=max(created_times))
    missing = {each.stripe_balance_transaction_id for each in lacking_fees}
    transactions: list[BalanceTransaction] = []
    after = None
    for _ in range(MOST_PAGES):
        page = balance_transactions_page(context.stripe, period, only=missing, after=after, account=account)
        if not isinstance(page, Page):
            break
        transactions += page.objects
        missing -= {each.stripe_balance_transaction_id for each in page.objects}
        if not missing or page.cursor is None:
            break
        after = page.cursor
    return transactions
