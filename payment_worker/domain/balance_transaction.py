"""The fee and the net amount of a charge, from Stripe's balance transaction."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction:
    """A balance transaction of a charge. Amounts in minor units of `currency`, which may not be the charge's."""

    stripe_balance_transaction_id: str
    fee: int
    """What Stripe keeps."""
    net: int
    """What is left of the charge; negative where the fee is more."""
    currency: str
