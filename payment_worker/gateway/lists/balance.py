"""Reads the balance, its transactions and payouts: each list newest first, 100 objects a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.ledger.payouts import Payout, PayoutStatus
from payment_worker.gateway.client import Gateway, NotFetched, fetch
from payment_worker.gateway.fields import currency, identity, instant, signed_amount, text
from payment_worker.gateway.lists.pages import NotListed, Page, read_page
from payment_worker.gateway.parsing import JSON, balance_transaction_of, parses

_TRANSACTIONS = "/v1/balance_transactions"
_NO_RECONCILIATION = "in_progress"
"""Stripe is still computing which transactions an automatic payout contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a Stripe account has in one currency, in minor units."""

    currency: str
    available: int = 0
    pending: int = 0
    reserved: int = 0
    """Held for the negative balances of connected accounts."""

    @property
    def total(self) -> int:
        """The sum of the net of every balance transaction."""
        return self.available + self.pending + self.reserved


@dataclass(frozen=True, slots=True)
class ListedTransaction:
    """A balance transaction on a list, and the payout as it is now where it is of one."""

    transaction: BalanceTransaction
    payout: Payout | None


def fetch_balance(gateway: Gateway, *, account: str) -> Sequence[Held] | NotFetched:
    """The account's current balance, by currency."""
    return fetch(gateway, "/v1/balance", account, _balances)


def expanded_page(
    gateway: Gateway, *, since: datetime, after: str | None, account: str
) -> Page[ListedTransaction] | NotListed:
    """A page of the balance transactions from then on, with the objects that caused them."""
    params = {"created": {"gte": int(since.timestamp())}, "expand": ["data.source"]}
    return read_page(gateway, _TRANSACTIONS, params, _listed, after=after, account=account)


def transactions_of(gateway: Gateway, source_id: str, *, account: str) -> Page[ListedTransaction] | NotListed:
    """The balance transactions of a charge, a Refund or a dispute."""
    params = {"source": source_id, "expand": ["data.source"]}
    return read_page(gateway, _TRANSACTIONS, params, _listed, after=None, account=account)


def older_transactions(
    gateway: Gateway, *, before: datetime, account: str
) -> Page[BalanceTransaction] | NotListed:
    """The newest balance transactions that were created before then."""
    params = {"created": {"lt": int(before.timestamp())}}
    return read_page(gateway, _TRANSACTIONS, params, balance_transaction_of, after=None, account=account)


def payout_lines_page(
    gateway: Gateway, stripe_payout_id: str, *, after: str | None, account: str
) -> Page[BalanceTransaction] | NotListed:
    """A page of the balance transactions in an automatic payout, including the payout's own."""
    return read_page(
        gateway,
        _TRANSACTIONS,
        {"payout": stripe_payout_id},
        balance_transaction_of,
        after=after,
        account=account,
    )


def fetch_payout(gateway: Gateway, stripe_payout_id: str, *, account: str) -> Payout | NotFetched:
    """The payout in its current state."""
    return fetch(gateway, f"/v1/payouts/{stripe_payout_id}", account, payout_of)


@parses("payout")
def payout_of(payout: JSON) -> Payout:
    """What a payout shows.

    Raises:
        UnreadableError: it is no payout of the pinned API version.
    """
    return Payout(
        stripe_payout_id=identity(payout["id"]),
        amount=signed_amount(payout["amount"]),
        currency=currency(payout["currency"]),
        status=PayoutStatus(payout["status"].upper()),
        is_automatic=bool(payout["automatic"]),
        is_itemizable=payout.get("reconciliation_status") != _NO_RECONCILIATION,
        arrival_date=instant(payout["arrival_date"]).date(),
        failure_code=text(payout.get("failure_code")),
        created_at=instant(payout["created"]),
    )


def _listed(transaction: JSON) -> ListedTransaction:
    source = transaction.get("source")
    payout = payout_of(source) if isinstance(source, Mapping) and source.get("object") == "payout" else None
    return ListedTransaction(balance_transaction_of(transaction), payout)


def _balances(balance: JSON) -> Sequence[Held]:
    with parses("balance"):
        amounts_by_kind = {
            name: _by_currency(balance.get(field) or ())
            for name, field in (
                ("available", "available"),
                ("pending", "pending"),
                ("reserved", "connect_reserved"),
            )
        }
    currencies = sorted({each for amounts in amounts_by_kind.values() for each in amounts})
    return [
        Held(currency=each, **{name: amounts.get(each, 0) for name, amounts in amounts_by_kind.items()})
        for each in currencies
    ]


def _by_currency(amounts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {currency(each["currency"]): signed_amount(each["amount"]) for each in amounts}
