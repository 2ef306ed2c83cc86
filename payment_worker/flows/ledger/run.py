"""Runs the whole import: our records, each account's balance transactions and payouts, and the proof of its balance."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final, TypeGuard

from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.domain.ledger.double_entry import EntryKind
from payment_worker.domain.ledger.payouts import post_opening
from payment_worker.flows.context import Context
from payment_worker.flows.ledger.import_balance import ImportOptions, read_account
from payment_worker.flows.ledger.payouts import follow_payouts
from payment_worker.flows.ledger.records import post_records
from payment_worker.flows.ledger.uncleared import record_uncleared
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.gateway.client import NotFetched
from payment_worker.gateway.lists.balance import Held, fetch_balance, older_transactions
from payment_worker.gateway.lists.pages import Page
from payment_worker.store.connection.advisory_lock import LEDGER_LOCK, alone
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_polls
from payment_worker.store.ledger import balance_imports, balance_proofs, ledger_entries
from payment_worker.store.ledger.balance_imports import BalanceImport
from payment_worker.store.ledger.balance_proofs import BalanceProof
from payment_worker.store.ledger.ledger_entries import Entry
from payment_worker.store.reconciliation import findings
from payment_worker.telemetry import logger

log = logger(__name__)

CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
"""How far before our first payment, by PostgreSQL's clock, the import begins: Stripe's may be behind."""

CUTS: Final = 5
"""Times that an account is read anew because its balance moved meanwhile; reading what is new costs one request."""

DEEP: Final = timedelta(days=8)
"""How far back an account is read again when its balance first differs: longer than any funds stay pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountImport:
    """The result of importing one account."""

    stripe_account: str
    is_read: bool
    """Whether its list was read to the end. If not, Stripe is unreachable or the time is up: the next import continues.
    """
    proofs: Sequence[BalanceProof] = ()
    """Empty where the balance moved all the while, or could not be read."""


def import_balance(context: Context, options: ImportOptions) -> Sequence[AccountImport] | None:
    """Import what is new of all accounts and compare their balances; None while another process imports.

    Before the first payment there is nothing to import.
    """
    with alone(context.database, LEDGER_LOCK) as is_ours:
        if not is_ours:
            return None
        with context.database.begin() as connection:
            first_payment_at = event_polls.first_payment_at(connection)
            begins_at = first_payment_at and (first_payment_at - CLOCKS_DIFFER_BY).replace(microsecond=0)
            states = balance_imports.imports(connection, begins_at=begins_at) if begins_at else ()
        is_posted = post_records(context, states, has_time=options.has_time)
        selected = [each for each in states if options.only in {None, each.stripe_account}]
        results = [_import_account(context, each, options) for each in selected]
        if is_posted:
            # Of an account that cannot be read nothing is known to be missing there.
            imported = [state for state, result in zip(selected, results, strict=True) if result.is_read]
            record_uncleared(context, imported, clear_within=options.clear_within)
    return results


def _import_account(context: Context, state: BalanceImport, options: ImportOptions) -> AccountImport:
    result = _read_and_prove(context, state, options)
    if any(each.difference for each in result.proofs) and options.since is None and _is_new(context, result):
        # What appeared late, or was lost here with a restore, is found by reading further back, once.
        since = max(state.begins_at, context.clock() - DEEP)
        result = _read_and_prove(context, _state(context, state), replace(options, since=since))
    with context.database.begin() as connection:
        for proof in result.proofs:
            _record_difference(context, connection, proof)
    if result.is_read:
        follow_payouts(context, stripe_account=state.stripe_account, publish_from=state.begins_at)
        context.notify_relay()
    return result


def _state(context: Context, state: BalanceImport) -> BalanceImport:
    with context.database.begin() as connection:
        states = balance_imports.imports(connection, begins_at=state.begins_at)
    return next((each for each in states if each.stripe_account == state.stripe_account), state)


def _read_and_prove(context: Context, state: BalanceImport, options: ImportOptions) -> AccountImport:
    account = state.stripe_account
    for _ in range(CUTS):
        before = fetch_balance(context.stripe, account=account)
        is_whole = state.cursor is None or options.since is not None
        updated = read_account(context, state, options)
        if updated is None:
            return AccountImport(stripe_account=account, is_read=False)
        state, options = updated, replace(options, since=None)
        after = fetch_balance(context.stripe, account=account)
        if not _is_fetched(after):
            log.warning("balance not shown", stripe_account=account, answer=str(after))
            break
        if is_whole and _is_fetched(before) and before == after:
            return AccountImport(
                stripe_account=account, is_read=True, proofs=_prove_balances(context, state, after)
            )
    return AccountImport(stripe_account=account, is_read=True)


def _is_fetched(balances: Sequence[Held] | NotFetched) -> TypeGuard[Sequence[Held]]:
    return isinstance(balances, Sequence)


def _prove_balances(
    context: Context, state: BalanceImport, balances: Sequence[Held]
) -> Sequence[BalanceProof]:
    """Compare what Stripe says with the ledger, which has all that Stripe has."""
    if not state.is_opened and not _open_account(context, state, balances):
        return ()
    now, stripe_balances = context.clock(), {each.currency: each for each in balances}
    with context.database.begin() as connection:
        ledger_balances = ledger_entries.stripe_balance(connection, state.stripe_account)
        proofs = [
            BalanceProof(
                stripe_account=state.stripe_account,
                ledger=ledger_balances.get(each, 0),
                **asdict(stripe_balances.get(each) or Held(currency=each)),
            )
            for each in sorted(ledger_balances.keys() | stripe_balances.keys())
        ]
        for proof in proofs:
            balance_proofs.record(connection, proof, now=now)
    return proofs


def _open_account(context: Context, state: BalanceImport, balances: Sequence[Held]) -> bool:
    """Post what the account held before the import began; whether that is known now."""
    older_page = older_transactions(context.stripe, before=state.begins_at, account=state.stripe_account)
    if not isinstance(older_page, Page):
        return False
    with context.database.begin() as connection:
        if older_page.objects or older_page.left_out:
            _post_opening(context, connection, state, balances)
        balance_imports.save(connection, replace(state, is_opened=True))
    return True


def _post_opening(
    context: Context, connection: Connection, state: BalanceImport, balances: Sequence[Held]
) -> None:
    account = state.stripe_account
    ledger_balances = ledger_entries.stripe_balance(connection, account)
    stripe_balances = {each.currency: each.total for each in balances}
    entries = [
        Entry(
            kind=EntryKind.OPENING,
            reference=f"{account} {each}".strip(),
            stripe_account=account,
            occurred_at=state.begins_at,
            postings=post_opening(stripe_balances.get(each, 0) - ledger_balances.get(each, 0), each),
        )
        for each in sorted(ledger_balances.keys() | stripe_balances.keys())
    ]
    ledger_entries.post(connection, entries, now=context.clock())


def _is_new(context: Context, result: AccountImport) -> bool:
    """Whether a difference was not known before."""
    objects = [(FindingKind.BALANCE_DIFFERS.value, _name(each)) for each in result.proofs if each.difference]
    with context.database.begin() as connection:
        return findings.open_since(connection, objects) is None


def _name(proof: BalanceProof) -> str:
    return f"{proof.stripe_account} {proof.currency}".strip()


def _record_difference(context: Context, connection: Connection, proof: BalanceProof) -> None:
    difference = Difference(
        kind=FindingKind.BALANCE_DIFFERS,
        object_id=_name(proof),
        stripe_account=proof.stripe_account,
        detail={"ours": proof.ledger, "theirs": proof.ledger + proof.difference},
    )
    if proof.difference:
        record_finding(context, connection, difference)
    else:
        findings.close_by_object(connection, difference.kind, difference.object_id, now=context.clock())
