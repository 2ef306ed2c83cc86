"""The ledger postings of each type of Stripe's balance transactions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from payment_worker.domain.ledger.postings import LedgerAccount, Posting, present

CUSTOMER_TYPES: Final = frozenset(
    {
        "charge",
        "payment",
        "payment_failure_refund",
        "payment_refund",
        "payment_reversal",
        "payment_unreconciled",
        "refund",
        "refund_failure",
    }
)
FEE_TYPES: Final = frozenset({"stripe_fee", "stripe_fx_fee", "tax_fee"})
PAYOUT_TYPES: Final = frozenset({"payout", "payout_cancel", "payout_failure"})
ADJUSTMENT: Final = "adjustment"
"""Of a dispute where its source is one, of anything else otherwise."""
OTHER_TYPES: Final = frozenset(
    {
        "advance",
        "advance_funding",
        "anticipation_repayment",
        "application_fee",
        "application_fee_refund",
        "climate_order_purchase",
        "climate_order_refund",
        "connect_collection_transfer",
        "contribution",
        "fee_credit_funding",
        "inbound_transfer",
        "inbound_transfer_reversal",
        "issuing_authorization_hold",
        "issuing_authorization_release",
        "issuing_dispute",
        "issuing_dispute_provisional_credit",
        "issuing_dispute_provisional_credit_reversal",
        "issuing_transaction",
        "obligation_outbound",
        "obligation_reversal_inbound",
        "payment_network_reserve_hold",
        "payment_network_reserve_release",
        "payout_minimum_balance_hold",
        "payout_minimum_balance_release",
        "reserve_hold",
        "reserve_release",
        "reserve_transaction",
        "reserved_funds",
        "stripe_balance_payment_debit",
        "stripe_balance_payment_debit_reversal",
        "tax_fund",
        "topup",
        "topup_reversal",
        "transfer",
        "transfer_cancel",
        "transfer_failure",
        "transfer_refund",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a customer's money was moved for, as both Stripe and our records name it."""

    object_id: str
    """A PaymentIntent, a Refund or a dispute; a charge that has no PaymentIntent."""
    amount: int
    currency: str
    """What the customer paid in, which may not be what the balance is kept in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
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


def is_unknown(movement: Movement) -> bool:
    """Whether it cannot be placed: a type that nobody knew when this was written, or a source that is not shown."""
    known = CUSTOMER_TYPES | FEE_TYPES | PAYOUT_TYPES | OTHER_TYPES | {ADJUSTMENT}
    is_sourceless = movement.type in CUSTOMER_TYPES and movement.source is None
    return movement.type not in known or is_sourceless or bool(_remainder(movement))


def post_movement(movement: Movement, *, is_in_opening: bool = False) -> tuple[Posting, ...]:
    """What a balance transaction posts.

    Args:
        is_in_opening: whether it was there when the import began: the opening balance already holds it.
    """
    balance = LedgerAccount.OPENING_BALANCE if is_in_opening else LedgerAccount.STRIPE_BALANCE
    return present(
        (
            Posting(ledger_account=balance, currency=movement.currency, amount=movement.net),
            Posting(ledger_account=LedgerAccount.FEES, currency=movement.currency, amount=movement.fee),
            Posting(
                ledger_account=LedgerAccount.UNEXPLAINED,
                currency=movement.currency,
                amount=-_remainder(movement),
            ),
            *_counterpart(movement),
        )
    )


def _remainder(movement: Movement) -> int:
    """Zero by Stripe's definition of net; whatever else it were is kept where everybody sees it."""
    return movement.net + movement.fee - movement.amount


def _counterpart(movement: Movement) -> tuple[Posting, ...]:
    source = movement.source
    if source is not None and movement.type in CUSTOMER_TYPES | {ADJUSTMENT}:
        return _cleared(movement, source)
    account = _OTHER_SIDE.get(movement.type, LedgerAccount.UNEXPLAINED)
    return (Posting(ledger_account=account, currency=movement.currency, amount=-movement.amount),)


_OTHER_SIDE: Final[Mapping[str, LedgerAccount]] = MappingProxyType(
    {
        **dict.fromkeys(FEE_TYPES, LedgerAccount.FEES),
        **dict.fromkeys(PAYOUT_TYPES, LedgerAccount.PAYOUTS_IN_TRANSIT),
        **dict.fromkeys(OTHER_TYPES, LedgerAccount.OTHER_MOVEMENTS),
        ADJUSTMENT: LedgerAccount.OTHER_MOVEMENTS,
    }
)


def _cleared(movement: Movement, source: Source) -> tuple[Posting, ...]:
    """The customer's side; through the exchange where they paid in another currency."""
    if source.currency == movement.currency:
        return (_customer(source, -movement.amount),)
    paid = source.amount if movement.amount >= 0 else -source.amount
    exchange = LedgerAccount.CURRENCY_EXCHANGE
    return (
        _customer(source, -paid),
        Posting(ledger_account=exchange, currency=source.currency, amount=paid),
        Posting(ledger_account=exchange, currency=movement.currency, amount=-movement.amount),
    )


def _customer(source: Source, amount: int) -> Posting:
    return Posting(
        ledger_account=LedgerAccount.CUSTOMERS,
        currency=source.currency,
        amount=amount,
        object_id=source.object_id,
    )
