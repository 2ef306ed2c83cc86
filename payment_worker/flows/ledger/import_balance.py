"""Imports the balance transactions of every Stripe account and posts each once.

Theory of operation. Stripe's list is newest first and consistent by creation time. A window begins `overlap` before
the newest transaction of the window before, and is read to its end, page by page; each page is stored and posted
together with its position, so that an import that is killed is continued. The balance is retrieved before and after: if
both are the same, nothing changed meanwhile, and the ledger must have the same balance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from payment_worker.domain.attempts.outcome import Absent
from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.flows.context import Context
from payment_worker.flows.ledger.balance_transactions import post_transactions
from payment_worker.flows.ledger.payouts import keep_payouts
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.gateway.lists.balance import ListedTransaction, expanded_page
from payment_worker.gateway.lists.pages import NotListed, Page
from payment_worker.store.connection.database import Connection
from payment_worker.store.ledger import balance_imports, balance_transactions
from payment_worker.store.ledger.balance_imports import BalanceImport
from payment_worker.store.ledger.balance_transactions import Differing
from payment_worker.telemetry import logger

log = logger(__name__)

MISSING_AT_MOST: Final = 100
"""Transactions that one reading names which Stripe does not show any more: there should be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to import."""

    overlap: timedelta
    clear_within: timedelta
    """How long our records and Stripe's balance may differ about an object before that is a finding."""
    since: datetime | None = None
    """From when to read again; None for what is new."""
    only: str | None = None
    """The one account to import; None for all."""
    has_time: Callable[[], bool] = lambda: True
    """Called after each page; False ends the import, and the next one continues."""
    on_page: Callable[[BalanceImport, datetime], None] = lambda *_: None
    """Called after each page with the progress, and with the creation time of the last transaction read."""


def read_account(context: Context, state: BalanceImport, options: ImportOptions) -> BalanceImport | None:
    """Read an account's list to its end; None if that failed: Stripe is unreachable, or the time is up.

    An open window does not contain transactions created after it was opened.
    """
    began_at = context.clock()
    state, is_whole = _window(state, options), state.cursor is None
    while True:
        since = state.window_since or _first_since(state, options)
        page = expanded_page(context.stripe, since=since, after=state.cursor, account=state.stripe_account)
        if not isinstance(page, Page):
            _handle_failure(context, state, page)
            return None
        state = _advance_import(state, page, since, now=context.clock())
        with context.database.begin() as connection:
            _store_page(context, connection, state, page)
            balance_imports.save(connection, state)
        options.on_page(state, page.oldest_at or since)
        if state.cursor is None:
            if options.since and is_whole:
                _record_missing(context, state, since, began_at)
            return state
        if not options.has_time():
            return None


def _window(state: BalanceImport, options: ImportOptions) -> BalanceImport:
    """The window to read: the open one, unless more is requested than it still contains."""
    if options.since is None:
        return state
    return replace(state, window_since=None, window_newest=None, cursor=None)


def _first_since(state: BalanceImport, options: ImportOptions) -> datetime:
    usual_since = state.read_until - options.overlap if state.read_until else state.begins_at
    open_since = state.window_since or usual_since
    return min(options.since or usual_since, usual_since, open_since)


def _advance_import(
    state: BalanceImport, page: Page[ListedTransaction], since: datetime, *, now: datetime
) -> BalanceImport:
    """How far is read after this page."""
    created_times = [each.transaction.created_at for each in page.objects]
    newest = state.window_newest or max(created_times, default=page.oldest_at)
    if page.cursor and newest:
        return replace(state, window_since=since, window_newest=newest, cursor=page.cursor)
    return replace(
        state,
        read_until=newest or state.read_until,
        window_since=None,
        window_newest=None,
        cursor=None,
        imported_at=now,
    )


def _store_page(
    context: Context, connection: Connection, state: BalanceImport, page: Page[ListedTransaction]
) -> None:
    transactions, account = [each.transaction for each in page.objects], state.stripe_account
    now = context.clock()
    differing = balance_transactions.differing(connection, transactions)
    unexplained = post_transactions(connection, state, transactions, now=now)
    differences = _differences(differing, unexplained, page, account)
    for difference in [*differences, *_recorded_otherwise(connection, transactions, account)]:
        record_finding(context, connection, difference)
    payouts = {each.payout.stripe_payout_id: each.payout for each in page.objects if each.payout}
    keep_payouts(connection, payouts.values(), stripe_account=account, publish_from=state.begins_at, now=now)


def _differences(
    differing: Differing,
    unexplained: Sequence[BalanceTransaction],
    page: Page[ListedTransaction],
    account: str,
) -> Sequence[Difference]:
    differences = [
        (FindingKind.TRANSACTION_DIFFERS, each.stripe_balance_transaction_id, ours, _fixed(each))
        for each, ours in differing
    ]
    differences += [
        (FindingKind.TRANSACTION_UNKNOWN, each.stripe_balance_transaction_id, {}, _fixed(each))
        for each in unexplained
    ]
    differences += [(FindingKind.TRANSACTION_UNREADABLE, each.object_id, {}, {}) for each in page.left_out]
    return [
        Difference(
            kind=kind,
            object_id=object_id,
            stripe_account=account,
            detail={"ours": ours or None, "theirs": theirs or "cannot be read"},
        )
        for kind, object_id, ours, theirs in differences
    ]


def _recorded_otherwise(
    connection: Connection, transactions: Sequence[BalanceTransaction], account: str
) -> Sequence[Difference]:
    return [
        Difference(
            kind=FindingKind.RECORDED_FEE_DIFFERS,
            object_id=each.stripe_balance_transaction_id,
            stripe_account=account,
            payment_id=payment_id,
            detail={"ours": ours, "theirs": {name: getattr(each, name) for name in ours}},
        )
        for each, payment_id, ours in balance_transactions.recorded_otherwise(connection, transactions)
    ]


def _fixed(transaction: BalanceTransaction) -> dict[str, object]:
    return {name: getattr(transaction, name) for name in balance_transactions.FIXED}


def _record_missing(context: Context, state: BalanceImport, since: datetime, began_at: datetime) -> None:
    with context.database.begin() as connection:
        missing_ids = balance_transactions.not_shown(
            connection,
            stripe_account=state.stripe_account,
            since=since,
            before=began_at,
            limit=MISSING_AT_MOST,
        )
        for object_id in missing_ids:
            difference = Difference(
                kind=FindingKind.TRANSACTION_MISSING_THERE,
                object_id=object_id,
                stripe_account=state.stripe_account,
                detail={"ours": "posted", "theirs": None},
            )
            record_finding(context, connection, difference)


def _handle_failure(context: Context, state: BalanceImport, failure: NotListed) -> None:
    log.warning("balance not listed", stripe_account=state.stripe_account, answer=str(failure))
    if isinstance(failure, Absent) and state.cursor:
        # Nothing is ever removed from this list: the cursor is of another Stripe, such as a simulator that was reset.
        with context.database.begin() as connection:
            balance_imports.save(
                connection, replace(state, window_since=None, window_newest=None, cursor=None)
            )
