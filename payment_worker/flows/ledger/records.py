"""Posts the balance movements that our records expect, from the history of payments, refunds and disputes.

Theory of operation. Rows of the history are numbered when they are written and seen when they are committed, so that a
lower number may appear after a higher one. All rows after the place of which everything before is surely committed are
read each time; a row that is posted already is not posted again.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from payment_worker.domain.ledger.double_entry import EntryKind
from payment_worker.domain.ledger.records import RecordChange, post_change
from payment_worker.flows.context import Context
from payment_worker.flows.ledger.balance_transactions import claim_transactions
from payment_worker.store.ledger import ledger_entries
from payment_worker.store.ledger.balance_imports import BalanceImport
from payment_worker.store.ledger.ledger_entries import Entry, Links

BATCH: Final = 1000
"""Rows in one transaction."""

SURELY_COMMITTED: Final = timedelta(minutes=2)
"""Longer than a transaction lives: PostgreSQL ends one that is idle for a minute, and a statement after 15 seconds."""


def post_records(
    context: Context, states: Collection[BalanceImport], *, has_time: Callable[[], bool]
) -> bool:
    """Post every change of our records that moves money; whether all were.

    Args:
        states: how far each account is imported.
    """
    with context.database.begin() as connection:
        after = ledger_entries.posted_until(connection)
    while has_time():
        with context.database.begin() as connection:
            now = context.clock()
            page = ledger_entries.changes(connection, after=after, limit=BATCH)
            ledger_entries.post(connection, [_entry(each) for each in page], now=now)
            object_ids = {each.object_id for each in page if each.object_id}
            claim_transactions(connection, object_ids, states, now=now)
            if last_committed := _last_committed(page, before=now - SURELY_COMMITTED):
                ledger_entries.save_posted_until(connection, last_committed)
        if len(page) < BATCH:
            return True
        after = page[-1].history_id
    return False


def _entry(change: RecordChange) -> Entry:
    return Entry(
        kind=EntryKind.RECORD,
        reference=str(change.history_id),
        stripe_account=change.stripe_account,
        occurred_at=change.recorded_at,
        postings=post_change(change),
        links=Links(
            payment_id=change.payment_id,
            refund_id=change.refund_id,
            stripe_dispute_id=change.stripe_dispute_id,
        ),
    )


def _last_committed(page: Sequence[RecordChange], *, before: datetime) -> int | None:
    """The last row before which all were recorded so long ago that no earlier one can still appear."""
    last_committed = None
    for change in page:
        if change.recorded_at >= before:
            break
        last_committed = change.history_id
    return last_committed
