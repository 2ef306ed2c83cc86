"""Records findings for objects that stay uncleared for too long, after asking Stripe once about each.

Theory of operation. The import begins shortly before our first payment. A payment that is adopted may be older: then
its balance transaction was never imported. So Stripe is asked for the transactions of whatever seems not to be there,
before that becomes a finding. One from before the beginning is posted against the opening balance, which holds it.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from payment_worker.domain.attempts.outcome import Absent
from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.flows.context import Context
from payment_worker.flows.ledger.balance_transactions import post_transactions
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.gateway.lists.balance import transactions_of
from payment_worker.gateway.lists.pages import Page
from payment_worker.store.connection.database import Connection
from payment_worker.store.ledger import ledger_entries
from payment_worker.store.ledger.balance_imports import BalanceImport
from payment_worker.store.ledger.ledger_entries import Links, Uncleared

AT_A_TIME: Final = 500
"""Uncleared objects that one import records as findings, the oldest first."""

LOOKED_UP: Final = 100
"""Objects whose balance transactions one import asks for."""


def record_uncleared(context: Context, states: Collection[BalanceImport], *, clear_within: timedelta) -> None:
    """Record the objects on which our records and Stripe do not agree for so long; close what is cleared by now.

    Args:
        states: the accounts, whose lists were read to the end.
        clear_within: how long both may differ about an object.
    """
    before, accounts = context.clock() - clear_within, [each.stripe_account for each in states]
    with context.database.begin() as connection:
        uncleared = ledger_entries.uncleared(connection, accounts, before=before, limit=AT_A_TIME)
        not_at_stripe = [each for each in uncleared if each.kind is FindingKind.NOT_AT_STRIPE]
        charges = ledger_entries.charges(connection, [each.object_id for each in not_at_stripe])
    looked_up_ids = {
        each.object_id
        for each in not_at_stripe[:LOOKED_UP]
        if _is_looked_up(context, each, charges.get(each.object_id, each.object_id), states)
    }
    postponed_ids = {each.object_id for each in not_at_stripe} - looked_up_ids
    with context.database.begin() as connection:
        uncleared = ledger_entries.uncleared(connection, accounts, before=before, limit=AT_A_TIME)
        links_by_id = ledger_entries.links(connection, [each.object_id for each in uncleared])
        for each in uncleared:
            if each.object_id not in postponed_ids:
                _record_finding(context, connection, each, links_by_id.get(each.object_id, Links()))
        ledger_entries.close_cleared(connection, now=context.clock())


def _is_looked_up(
    context: Context, uncleared: Uncleared, source_id: str, states: Collection[BalanceImport]
) -> bool:
    """Post what balance transactions Stripe shows of an object; whether Stripe answered."""
    page = transactions_of(context.stripe, source_id, account=uncleared.stripe_account)
    if not isinstance(page, Page):
        return isinstance(page, Absent)  # "there is no such object" is an answer
    with context.database.begin() as connection:
        for state in states:
            if state.stripe_account == uncleared.stripe_account:
                transactions = [listed.transaction for listed in page.objects]
                post_transactions(connection, state, transactions, now=context.clock())
    return True


def _record_finding(context: Context, connection: Connection, uncleared: Uncleared, links: Links) -> None:
    difference = Difference(
        kind=uncleared.kind,
        object_id=uncleared.object_id,
        stripe_account=uncleared.stripe_account,
        payment_id=links.payment_id,
        refund_id=links.refund_id,
        detail={"ours": uncleared.ours, "theirs": -uncleared.theirs, "currency": uncleared.currency},
    )
    record_finding(context, connection, difference)
