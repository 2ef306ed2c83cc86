"""Stores and posts balance transactions, and reclassifies those posted before their owner was known.

Theory of operation. A Stripe account may be shared with other apps. What moved money for a PaymentIntent, Refund or
dispute of ours is to be cleared by our records, and so is what claims to be ours: its metadata carries a MAC, or names
a payment that we have. All else is posted to `other_movements` under its object's id. If our record comes to have that
object after all, because its payment was adopted or its attempt had no answer yet, it is moved to `customers`.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from payment_worker.domain.balance_transaction import BalanceTransaction, Source
from payment_worker.domain.ledger.balance_transactions import (
    PAYOUT_TYPES,
    is_unexplained,
    post_transaction,
    reclassify,
)
from payment_worker.domain.ledger.double_entry import EntryKind
from payment_worker.domain.uuids import as_uuid
from payment_worker.store.connection.database import Connection
from payment_worker.store.ledger import balance_transactions, ledger_entries
from payment_worker.store.ledger.balance_imports import BalanceImport
from payment_worker.store.ledger.ledger_entries import Entry, Links, LinksById


def post_transactions(
    connection: Connection, state: BalanceImport, transactions: Sequence[BalanceTransaction], *, now: datetime
) -> Sequence[BalanceTransaction]:
    """Store these and post those that are not posted yet; which of them cannot be placed."""
    account = state.stripe_account
    balance_transactions.keep(connection, transactions, stripe_account=account, now=now)
    links_by_id = _links_of_sources(connection, [each.source for each in transactions if each.source])
    entries = {each.stripe_balance_transaction_id: _entry(each, state, links_by_id) for each in transactions}
    if suspended := ledger_entries.suspended(connection, entries, stripe_account=account):
        reclassified = _reclassifications(connection, [entries[each] for each in suspended], now=now)
        ledger_entries.post(connection, reclassified, now=now)
    ledger_entries.post(connection, list(entries.values()), now=now)
    return [
        each for each in transactions if is_unexplained(entries[each.stripe_balance_transaction_id].postings)
    ]


def claim_transactions(
    connection: Connection, object_ids: Collection[str], states: Collection[BalanceImport], *, now: datetime
) -> None:
    """Move to `customers` what was posted as another app's and is about these objects, which are ours."""
    transaction_ids = ledger_entries.of_another_app(connection, object_ids) if object_ids else ()
    if not transaction_ids:
        return
    links_by_id = ledger_entries.links(connection, object_ids)
    entries = [
        _entry(each, state, links_by_id)
        for state in states
        for each in balance_transactions.find(
            connection, transaction_ids, stripe_account=state.stripe_account
        )
    ]
    ledger_entries.post(connection, _reclassifications(connection, entries, now=now), now=now)


def _links_of_sources(connection: Connection, sources: Collection[Source]) -> LinksById:
    """What of ours the objects, PaymentIntents and payments are that these are about, or name."""
    ids = {each for source in sources for each in (source.object_id, source.stripe_payment_intent_id) if each}
    named_payment_ids = {payment_id for source in sources if (payment_id := as_uuid(source.named_payment_id))}
    links_of_named = (
        {str(each): Links() for each in ledger_entries.existing(connection, named_payment_ids)}
        if named_payment_ids
        else {}
    )
    return {**links_of_named, **ledger_entries.links(connection, ids)}


def _entry(transaction: BalanceTransaction, state: BalanceImport, links_by_id: LinksById) -> Entry:
    source, links = transaction.source, Links()
    if transaction.type in PAYOUT_TYPES:
        links = Links(stripe_payout_id=transaction.source_id)
    elif source:
        payment_links = links_by_id.get(source.stripe_payment_intent_id or "", Links())
        links = links_by_id.get(source.object_id, Links(payment_id=payment_links.payment_id))
    return Entry(
        kind=EntryKind.BALANCE_TRANSACTION,
        reference=transaction.stripe_balance_transaction_id,
        stripe_account=state.stripe_account,
        occurred_at=transaction.created_at,
        postings=post_transaction(
            transaction,
            is_ours=source is not None and _is_ours(source, links_by_id),
            is_in_opening=transaction.created_at < state.begins_at,
        ),
        links=links,
    )


def _is_ours(source: Source, links_by_id: LinksById) -> bool:
    ids = (source.object_id, source.stripe_payment_intent_id, str(as_uuid(source.named_payment_id)))
    return source.is_signed or any(each in links_by_id for each in ids)


def _reclassifications(connection: Connection, entries: Sequence[Entry], *, now: datetime) -> Sequence[Entry]:
    """What these would post now beyond what they have posted."""
    posted = ledger_entries.posted(connection, [each.reference for each in entries])
    reclassified = []
    for each in entries:
        previous = posted.get(each.reference)
        postings = reclassify(previous.postings, each.postings) if previous else ()
        if previous and postings:
            entry = replace(
                each,
                kind=EntryKind.RECLASSIFICATION,
                reference=ledger_entries.references(each.reference)[previous.entries],
                occurred_at=now,
                postings=postings,
            )
            reclassified.append(entry)
    return reclassified
