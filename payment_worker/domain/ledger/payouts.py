"""The postings of payouts that reach the bank or come back, and of the opening balance."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from payment_worker.domain.ledger.double_entry import EntryKind, LedgerAccount, Posting, present


class PayoutStatus(StrEnum):
    """The states of a payout: Stripe's own words in upper case."""

    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A payout as Stripe shows it. Amount in minor units; negative where the bank pays a negative balance."""

    stripe_payout_id: str
    amount: int
    currency: str
    status: PayoutStatus
    is_automatic: bool
    """Only of these does Stripe say what they are made of."""
    is_itemizable: bool
    """Whether Stripe has finished to say so."""
    arrival_date: date
    failure_code: str | None = None
    created_at: datetime


def post_payout(payout: Payout, kind: EntryKind) -> tuple[Posting, ...]:
    """What a payout posts that the bank has, or sent back after it had it."""
    arrived = -payout.amount if kind is EntryKind.PAYOUT_RETURNED else payout.amount
    return present(
        (
            Posting(ledger_account=LedgerAccount.BANK, currency=payout.currency, amount=arrived),
            Posting(
                ledger_account=LedgerAccount.PAYOUTS_IN_TRANSIT, currency=payout.currency, amount=-arrived
            ),
        )
    )


def post_opening(amount: int, currency: str) -> tuple[Posting, ...]:
    """What a Stripe account posts that held something before its import began."""
    return present(
        (
            Posting(ledger_account=LedgerAccount.STRIPE_BALANCE, currency=currency, amount=amount),
            Posting(ledger_account=LedgerAccount.OPENING_BALANCE, currency=currency, amount=-amount),
        )
    )
