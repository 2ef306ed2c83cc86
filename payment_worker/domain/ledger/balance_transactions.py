"""The ledger postings of each type of Stripe's balance transactions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from payment_worker.domain.balance_transaction import BalanceTransaction, Source
from payment_worker.domain.ledger.double_entry import LedgerAccount, Posting, present

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


def post_transaction(
    transaction: BalanceTransaction, *, is_ours: bool = True, is_in_opening: bool = False
) -> tuple[Posting, ...]:
    """What a balance transaction posts. The order means nothing: the journal sorts by itself.

    Args:
        is_ours: whether its source belongs to a payment of ours, or claims to. If not, another app on the same Stripe
            account moved the money.
        is_in_opening: whether it was there when the import began: the opening balance already holds it.
    """
    balance = LedgerAccount.OPENING_BALANCE if is_in_opening else LedgerAccount.STRIPE_BALANCE
    return present(
        (
            Posting(ledger_account=balance, currency=transaction.currency, amount=transaction.net),
            Posting(ledger_account=LedgerAccount.FEES, currency=transaction.currency, amount=transaction.fee),
            Posting(
                ledger_account=LedgerAccount.UNEXPLAINED,
                currency=transaction.currency,
                amount=-_remainder(transaction),
                object_id=transaction.stripe_balance_transaction_id,
            ),
            *_counterpart(transaction, is_ours=is_ours),
        )
    )


def _remainder(transaction: BalanceTransaction) -> int:
    """Zero by Stripe's definition of net; whatever else it were is kept where everybody sees it."""
    return transaction.net + transaction.fee - transaction.amount


def _counterpart(transaction: BalanceTransaction, *, is_ours: bool) -> tuple[Posting, ...]:
    source = transaction.source if transaction.type in CUSTOMER_TYPES | {ADJUSTMENT} else None
    if source and is_ours:
        return _cleared(transaction, source)
    account = _OTHER_SIDE.get(transaction.type, LedgerAccount.UNEXPLAINED)
    object_id = transaction.stripe_balance_transaction_id if account is LedgerAccount.UNEXPLAINED else None
    if source:
        account, object_id = LedgerAccount.OTHER_MOVEMENTS, source.object_id
    posting = Posting(
        ledger_account=account, currency=transaction.currency, amount=-transaction.amount, object_id=object_id
    )
    return (posting,)


_OTHER_SIDE: Final[Mapping[str, LedgerAccount]] = MappingProxyType(
    {
        **dict.fromkeys(FEE_TYPES, LedgerAccount.FEES),
        **dict.fromkeys(PAYOUT_TYPES, LedgerAccount.PAYOUTS_IN_TRANSIT),
        **dict.fromkeys(OTHER_TYPES, LedgerAccount.OTHER_MOVEMENTS),
        ADJUSTMENT: LedgerAccount.OTHER_MOVEMENTS,
    }
)


def is_unexplained(postings: Iterable[Posting]) -> bool:
    """Whether a balance transaction cannot be placed: its type is new, or Stripe does not show what it was made for."""
    return any(posting.ledger_account is LedgerAccount.UNEXPLAINED for posting in postings)


def reclassify(posted: Iterable[Posting], placed: Iterable[Posting]) -> tuple[Posting, ...]:
    """What is to be posted where a balance transaction was posted otherwise than it is placed now."""
    sums: Counter[tuple[LedgerAccount, str, str | None]] = Counter()
    for sign, postings in ((-1, posted), (1, placed)):
        for each in postings:
            sums[each.ledger_account, each.currency, each.object_id] += sign * each.amount
    return present(
        Posting(ledger_account=account, currency=currency, amount=amount, object_id=object_id)
        for (account, currency, object_id), amount in sums.items()
    )


def _cleared(transaction: BalanceTransaction, source: Source) -> tuple[Posting, ...]:
    """The customer's side; through the exchange where they paid in another currency."""
    if source.currency == transaction.currency:
        return (_customer(source, -transaction.amount),)
    paid = source.amount if transaction.amount >= 0 else -source.amount
    exchange = LedgerAccount.CURRENCY_EXCHANGE
    return (
        _customer(source, -paid),
        Posting(ledger_account=exchange, currency=source.currency, amount=paid),
        Posting(ledger_account=exchange, currency=transaction.currency, amount=-transaction.amount),
    )


def _customer(source: Source, amount: int) -> Posting:
    return Posting(
        ledger_account=LedgerAccount.CUSTOMERS,
        currency=source.currency,
        amount=amount,
        object_id=source.object_id,
    )
