"""A balance transaction: one movement of a Stripe account's balance, and the object that caused it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a customer's money was moved for, as both Stripe and our records name it."""

    object_id: str
    """A PaymentIntent, a Refund or a dispute; a charge that has no PaymentIntent."""
    amount: int
    currency: str
    """What the customer paid in, which may not be what the balance is kept in."""
    stripe_payment_intent_id: str | None = None
    named_payment_id: str | None = None
    """The payment that its metadata names, rightly or not."""
    is_signed: bool = False
    """Whether its metadata carries a MAC, as those of our objects do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction:
    """A balance transaction. Amounts in minor units of `currency`; those that leave the balance are negative."""

    stripe_balance_transaction_id: str
    type: str
    status: str
    amount: int
    fee: int
    net: int
    currency: str
    exchange_rate: Decimal | None = None
    reporting_category: str | None = None
    source_id: str | None = None
    source: Source | None = None
    """What it clears; None where it is not about a customer's money, or Stripe does not show it."""
    available_on: datetime
    created_at: datetime
