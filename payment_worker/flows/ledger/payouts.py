"""Tracks payouts: posts those that arrived or came back, and reads the balance transactions of each."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from payment_worker.contracts import messages
from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.domain.ledger.double_entry import EntryKind
from payment_worker.domain.ledger.payouts import Payout, PayoutStatus, post_payout
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.gateway.lists.balance import fetch_payout, payout_lines_page
from payment_worker.gateway.lists.pages import Page
from payment_worker.store.connection.database import Connection
from payment_worker.store.ledger import ledger_entries, payouts
from payment_worker.store.ledger.ledger_entries import Entry, Links
from payment_worker.store.ledger.payouts import KnownPayout
from payment_worker.store.outbox import payout_message_row
from payment_worker.store.statements import Row, write
from payment_worker.telemetry import logger

log = logger(__name__)

AT_A_TIME: Final = 100
"""Payouts that one import retrieves: more than an account sends in a day."""

GONE: Final = frozenset({PayoutStatus.FAILED, PayoutStatus.CANCELED})


def keep_payouts(
    connection: Connection,
    stripe_payouts: Collection[Payout],
    *,
    stripe_account: str,
    publish_from: datetime,
    now: datetime,
) -> None:
    """Record payouts as Stripe shows them, post their entries and publish their messages.

    Args:
        publish_from: payouts created before then are not published: they are read again only for the ledger.
    """
    for payout in sorted(stripe_payouts, key=lambda each: each.stripe_payout_id):
        recorded = payouts.lock(connection, payout.stripe_payout_id)
        if recorded and recorded.status in GONE and payout.status not in GONE:
            continue  # an older state: nothing leads back from these
        was_arrived = recorded is not None and recorded.is_arrived
        is_arrived = was_arrived or payout.status is PayoutStatus.PAID
        payouts.keep(connection, payout, stripe_account=stripe_account, is_arrived=is_arrived, now=now)
        kinds = [EntryKind.PAYOUT_PAID] if is_arrived else []
        if is_arrived and payout.status in GONE:
            kinds.append(EntryKind.PAYOUT_RETURNED)
        entries = [_entry(payout, kind, stripe_account, now) for kind in kinds]
        ledger_entries.post(connection, entries, now=now)
        if payout.created_at >= publish_from:
            write(connection, _messages(recorded, payout, stripe_account, now))


def _messages(recorded: KnownPayout | None, payout: Payout, stripe_account: str, now: datetime) -> list[Row]:
    """Once that it was paid, and once that it failed, even after that."""
    fields: dict[str, Any] = {
        "payout_id": payout.stripe_payout_id,
        "stripe_account": stripe_account or None,
        "amount": payout.amount,
        "currency": payout.currency,
    }
    if payout.status is PayoutStatus.PAID and not (recorded and recorded.is_arrived):
        paid = messages.PayoutPaid(**fields, arrival_date=payout.arrival_date, paid_at=now)
        return [payout_message_row(paid, stripe_payout_id=payout.stripe_payout_id, now=now)]
    if payout.status in GONE and not (recorded and recorded.status in GONE):
        failed = messages.PayoutFailed(
            **fields, reason=payout.failure_code or payout.status.lower(), failed_at=now
        )
        return [payout_message_row(failed, stripe_payout_id=payout.stripe_payout_id, now=now)]
    return []


def _entry(payout: Payout, kind: EntryKind, stripe_account: str, now: datetime) -> Entry:
    return Entry(
        kind=kind,
        reference=payout.stripe_payout_id,
        stripe_account=stripe_account,
        occurred_at=now,
        postings=post_payout(payout, kind),
        links=Links(stripe_payout_id=payout.stripe_payout_id),
    )


def follow_payouts(context: Context, *, stripe_account: str, publish_from: datetime) -> None:
    """Refresh payouts that have not arrived yet, and read which transactions automatic ones contain."""
    with context.database.begin() as connection:
        unfinished_ids = payouts.unfinished(connection, stripe_account=stripe_account, limit=AT_A_TIME)
    for payout_id in unfinished_ids:
        payout = fetch_payout(context.stripe, payout_id, account=stripe_account)
        if isinstance(payout, Payout):
            with context.database.begin() as connection:
                keep_payouts(
                    connection,
                    [payout],
                    stripe_account=stripe_account,
                    publish_from=publish_from,
                    now=context.clock(),
                )
    with context.database.begin() as connection:
        not_itemized_ids = payouts.not_itemized(connection, stripe_account=stripe_account, limit=AT_A_TIME)
    for payout_id in not_itemized_ids:
        _itemize_payout(context, payout_id, stripe_account)


def _itemize_payout(context: Context, payout_id: str, stripe_account: str) -> None:
    """Read the transactions of a payout, once Stripe has computed them, and compare their sum with its amount."""
    payout = fetch_payout(context.stripe, payout_id, account=stripe_account)
    if not isinstance(payout, Payout) or not payout.is_itemizable:
        return
    total, after = 0, None
    while True:
        page = payout_lines_page(context.stripe, payout_id, after=after, account=stripe_account)
        if not isinstance(page, Page) or page.left_out:
            log.warning("payout not itemized", stripe_payout_id=payout_id, stripe_account=stripe_account)
            return
        lines = [each for each in page.objects if each.source_id != payout_id]
        with context.database.begin() as connection:
            payouts.itemize(connection, payout_id, [each.stripe_balance_transaction_id for each in lines])
        total += sum(each.net for each in lines)
        after = page.cursor
        if after is None:
            break
    with context.database.begin() as connection:
        payouts.mark_itemized(connection, payout_id, total)
        if total != payout.amount:
            difference = Difference(
                kind=FindingKind.PAYOUT_SUM_DIFFERS,
                object_id=payout_id,
                stripe_account=stripe_account,
                detail={"ours": total, "theirs": payout.amount},
            )
            record_finding(context, connection, difference)
