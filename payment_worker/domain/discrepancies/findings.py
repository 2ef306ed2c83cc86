"""The kinds of findings, in which our records and Stripe's differ, and which of them are repaired or checked again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID


class StripeList(StrEnum):
    """Stripe's lists that are compared, by their API names."""

    PAYMENT_INTENTS = "payment_intents"
    REFUNDS = "refunds"
    DISPUTES = "disputes"


class FindingKind(StrEnum):
    """The ways in which two records can differ."""

    PAYMENT_MISSING_HERE = "payment_missing_here"
    """Stripe has a PaymentIntent that names a payment without a row."""
    PAYMENT_MISSING_THERE = "payment_missing_there"
    """Stripe does not show the PaymentIntent of a payment."""
    PAYMENT_STATUS_DIFFERS = "payment_status_differs"
    PAYMENT_AMOUNT_DIFFERS = "payment_amount_differs"
    PAYMENT_CURRENCY_DIFFERS = "payment_currency_differs"
    PAYMENT_FEE_DIFFERS = "payment_fee_differs"
    """Another application fee than was requested (Connect)."""
    PAYMENT_TRANSFER_DIFFERS = "payment_transfer_differs"
    """Another amount is transferred, or to another account, than was requested (Connect)."""
    SECOND_PAYMENT_INTENT = "second_payment_intent"
    """Another PaymentIntent than the payment's own carries its id: it may have been paid twice."""
    SEVERAL_PAYMENT_INTENTS = "several_payment_intents"
    """Several PaymentIntents have a valid MAC for one payment that has none, or is lost: an operator has to decide."""
    REFUND_NOT_OURS = "refund_not_ours"
    """Stripe has a Refund of our payment that has no row: it was made elsewhere."""
    REFUND_MISSING_THERE = "refund_missing_there"
    REFUND_STATUS_DIFFERS = "refund_status_differs"
    REFUND_AMOUNT_DIFFERS = "refund_amount_differs"
    REFUND_CURRENCY_DIFFERS = "refund_currency_differs"
    REFUND_NOT_REVERSED = "refund_not_reversed"
    """A refund that was to take back its share of a transfer did not (Connect)."""
    REFUND_EXISTS_AFTER_ALL = "refund_exists_after_all"
    """Stripe has a Refund that we had recorded as failed, releasing its amount."""
    SECOND_REFUND = "second_refund"
    """Another Refund than the refund's own carries its id."""
    UNVERIFIED_METADATA = "unverified_metadata"
    """An object carries our ids in its metadata without proof that we created it: anybody may write them."""
    DISPUTE_NOT_RECORDED = "dispute_not_recorded"
    DISPUTE_STATUS_DIFFERS = "dispute_status_differs"
    DISPUTE_MISSING_THERE = "dispute_missing_there"
    UNKNOWN_TOO_LONG = "unknown_too_long"
    """The outcome of a request to Stripe has been unknown for so long that an operator should look at it."""
    PAYMENT_UNREADABLE = "payment_unreadable"
    """The PaymentIntent of a payment cannot be parsed; likewise the next two."""
    REFUND_UNREADABLE = "refund_unreadable"
    DISPUTE_UNREADABLE = "dispute_unreadable"
    ACCOUNT_UNREADABLE = "account_unreadable"
    """Stripe denies us access to a connected account: it was disconnected, or its id was never right."""
    LIST_UNREADABLE = "list_unreadable"
    """Stripe denies us one kind of object of an account: our key is a restricted one."""
    BALANCE_DIFFERS = "balance_differs"
    """The balance that Stripe says an account has is not the ledger's; the next four name the objects that make it."""
    TRANSACTION_UNKNOWN = "transaction_unknown"
    """A balance transaction cannot be placed: its type is new, or Stripe does not show what it was made for."""
    TRANSACTION_UNREADABLE = "transaction_unreadable"
    TRANSACTION_DIFFERS = "transaction_differs"
    """Stripe shows a balance transaction otherwise than it did when it was posted."""
    TRANSACTION_MISSING_THERE = "transaction_missing_there"
    """Stripe does not show a balance transaction any more that is posted."""
    NOT_AT_STRIPE = "not_at_stripe"
    """Our records say that money moved, and no balance transaction does; for too long."""
    NOT_IN_OUR_RECORDS = "not_in_our_records"
    """A balance transaction says that a customer's money moved, and our records do not."""
    NOT_CLEARED = "not_cleared"
    """Both say that a customer's money moved, but not how much."""
    PAYOUT_SUM_DIFFERS = "payout_sum_differs"
    """An automatic payout is not the sum of the balance transactions that Stripe says it paid out."""


UNCLEARED: Final = frozenset(
    {FindingKind.NOT_AT_STRIPE, FindingKind.NOT_IN_OUR_RECORDS, FindingKind.NOT_CLEARED}
)
"""Findings about objects on which our records and Stripe's balance do not agree."""

IN_LEDGER: Final = UNCLEARED | {
    FindingKind.BALANCE_DIFFERS,
    FindingKind.TRANSACTION_UNKNOWN,
    FindingKind.TRANSACTION_UNREADABLE,
    FindingKind.TRANSACTION_DIFFERS,
    FindingKind.TRANSACTION_MISSING_THERE,
    FindingKind.PAYOUT_SUM_DIFFERS,
}
"""Findings of the ledger, which the balance import checks again; reconciliation does not."""

REPAIRABLE: Final = frozenset(
    {
        FindingKind.PAYMENT_STATUS_DIFFERS,
        FindingKind.REFUND_NOT_OURS,
        FindingKind.REFUND_STATUS_DIFFERS,
        FindingKind.DISPUTE_NOT_RECORDED,
        FindingKind.DISPUTE_STATUS_DIFFERS,
    }
)
"""Differences that applying Stripe's snapshot may resolve; statuses only move forward, so trying is safe."""

TOO_LONG: Final = timedelta(hours=1)
"""By then an attempt was looked up many times, and its request cannot be in progress any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: of one kind, about one object."""

    kind: FindingKind
    object_id: str
    """Stripe's id of the object; for `UNKNOWN_TOO_LONG` the attempt's idempotency key, for a list its name."""
    stripe_account: str | None = None
    payment_id: UUID | None = None
    refund_id: UUID | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    """The values of the two records."""
