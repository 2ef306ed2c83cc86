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


def record_fees(context: Context, lacking: Sequence[LacksFee]) -> Sequence[Finished]:
    """Record fee and net of those payments whose balance transactions Stripe shows."""
    finished: list[Finished] = []
    for account in sorted({each.event.stripe_account for each in lacking}):
        finished += _record(
            context, account, [each for each in lacking if each.event.stripe_account == account]
        )
    return finished


def _record(context: Context, account: str, lacking: Sequence[LacksFee]) -> list[Finished]:
    shown = _retrieve(context, account, lacking) if len(lacking) == 1 else _list(context, account, lacking)
    listed = {each.stripe_balance_transaction_id: each for each in shown}
    found = [each for each in lacking if each.stripe_balance_transaction_id in listed]
    if not found:
        return []
    fees: dict[UUID, BalanceTransaction] = {
        each.payment_id: listed[each.stripe_balance_transaction_id] for each in found
    }
    finished = [Finished(each.event, Processed(Reason.CHANGED), each.payment_id) for each in found]
    with context.database.begin() as connection:
        payments.lock_all(connection, payment_ids=fees, payment_intents=())
        payments.record_balance_transactions(connection, fees, now=context.clock())
        finish(context, connection, finished)
    return finished


def _retrieve(context: Context, account: str, lacking: Sequence[LacksFee]) -> Sequence[BalanceTransaction]:
    stripe_id = lacking[0].stripe_balance_transaction_id
    shown = fetch_balance_transaction(context.stripe, stripe_id, account=account)
    return [shown] if isinstance(shown, BalanceTransaction) else []


def _list(context: Context, account: str, lacking: Sequence[LacksFee]) -> Sequence[BalanceTransaction]:
    created = [datetime.fromtimestamp(each.event.payload["created"], tz=UTC) for each in lacking]
    period = Period(since=min(created) - BEFORE_ITS_EVENT, until=max(created))
    missing = {each.stripe_balance_transaction_id for each in lacking}
    shown: list[BalanceTransaction] = []
    after = None
    for _ in range(MOST_PAGES):
        page = balance_transactions_page(context.stripe, period, after=after, account=account)
        if not isinstance(page, Page):
            break
        shown += page.objects
        missing -= {each.stripe_balance_transaction_id for each in page.objects}
        if not missing or page.cursor is None:
            break
        after = page.cursor
    return shown
