"""Double entry: the ledger's accounts, the kinds of entries, and the posting.

Theory of operation. Every posting debits (+) or credits (-) one account; those of an entry sum to zero in a currency.
What we expect and what Stripe did meet in the clearing account `customers`, each under the id of the object that both
name: a PaymentIntent, a Refund, a dispute. Where both agree it comes to zero, in whichever order they were told; what
is left of it names the object that makes a difference. The account `stripe_balance` is what Stripe says we have.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class LedgerAccount(StrEnum):
    """The accounts of the ledger. Each exists for every Stripe account and currency."""

    STRIPE_BALANCE = "stripe_balance"
    """What Stripe holds for us: available, pending and reserved together."""
    CUSTOMERS = "customers"
    """Clearing: what our records expect of customers against what Stripe took of them. Zero where both agree."""
    SALES = "sales"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    FEES = "fees"
    PAYOUTS_IN_TRANSIT = "payouts_in_transit"
    BANK = "bank"
    CURRENCY_EXCHANGE = "currency_exchange"
    OTHER_MOVEMENTS = "other_movements"
    """What is no payment of ours: top-ups, transfers, reserves, application fees, other apps' payments."""
    OPENING_BALANCE = "opening_balance"
    """What was there before the import begins."""
    UNEXPLAINED = "unexplained"
    """Suspense: what nobody can place yet. A finding names each."""


class EntryKind(StrEnum):
    """What an entry records. With its reference it is unique: the same fact is posted once."""

    BALANCE_TRANSACTION = "balance_transaction"
    """Stripe moved the balance; the reference is the balance transaction."""
    RECORD = "record"
    """Our record changed; the reference is the row of `payment_history`."""
    PAYOUT_PAID = "payout_paid"
    """The bank has a payout; the reference is the payout."""
    PAYOUT_RETURNED = "payout_returned"
    """The bank sent back a payout that it had."""
    OPENING = "opening"
    """What a Stripe account held when its import began; the reference is account and currency."""
    RECLASSIFICATION = "reclassification"
    """A balance transaction is moved to another account; the reference is the transaction, and which time it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A debit (+) or a credit (-) of one account."""

    ledger_account: LedgerAccount
    currency: str
    amount: int
    object_id: str | None = None
    """What it is about: of `customers`, what is to be cleared; of `unexplained`, the balance transaction; of
    `other_movements`, the PaymentIntent, Refund or dispute of another app."""


def present(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """Those that move something."""
    return tuple(posting for posting in postings if posting.amount)
