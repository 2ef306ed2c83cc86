"""The kinds of findings (differences between our records and Stripe's), and which are repaired or checked again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from payment_worker.domain.explained_code import Code


class StripeList(StrEnum):
    """Stripe's lists that are compared, by their API names."""

    PAYMENT_INTENTS = "payment_intents"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    EARLY_FRAUD_WARNINGS = "radar/early_fraud_warnings"


_BY_HAND: Final = "See whether the row or Stripe's object was changed by hand."
_KEY: Final = "Check the account and the mode of our key."
_SHOWN: Final = "Look at it in Stripe's dashboard; if it looks normal there, it is a bug of ours."


class FindingKind(Code):
    """The ways in which two records can differ: what each means, and what to do about it."""

    PAYMENT_MISSING_HERE = (
        "payment_missing_here",
        "Stripe has a payment of ours that we do not have.",
        "If it was lost: payment-worker reconcile --since.",
    )
    PAYMENT_MISSING_THERE = ("payment_missing_there", "Stripe does not show this payment.", _KEY)
    PAYMENT_STATUS_DIFFERS = (
        "payment_status_differs",
        "Our status is final, and Stripe shows another.",
        "Read how ours was reached.",
    )
    PAYMENT_AMOUNT_DIFFERS = (
        "payment_amount_differs",
        "Stripe shows another amount than we asked for.",
        _BY_HAND,
    )
    PAYMENT_CURRENCY_DIFFERS = (
        "payment_currency_differs",
        "Stripe shows another currency than we asked for.",
        _BY_HAND,
    )
    PAYMENT_FEE_DIFFERS = (
        "payment_fee_differs",
        "Stripe shows another application fee than we asked for.",
        _BY_HAND,
    )
    PAYMENT_TRANSFER_DIFFERS = (
        "payment_transfer_differs",
        "Stripe shows another transfer than we asked for.",
        _BY_HAND,
    )
    SECOND_PAYMENT_INTENT = (
        "second_payment_intent",
        "Two PaymentIntents are of one payment.",
        "If both succeeded, refund the one that is not in our record.",
    )
    SEVERAL_PAYMENT_INTENTS = (
        "several_payment_intents",
        "Several PaymentIntents are of one payment that was lost.",
        "Find the right one, then payment-worker reconcile --since … --accept.",
    )
    REFUND_NOT_OURS = ("refund_not_ours", "A refund was made elsewhere; it is recorded.", "Nothing.")
    REFUND_MISSING_THERE = ("refund_missing_there", "Stripe does not show this refund.", _KEY)
    REFUND_STATUS_DIFFERS = (
        "refund_status_differs",
        "Our status is final, and Stripe shows another.",
        "Read how ours was reached.",
    )
    REFUND_AMOUNT_DIFFERS = (
        "refund_amount_differs",
        "Stripe shows another amount than we asked for.",
        _BY_HAND,
    )
    REFUND_CURRENCY_DIFFERS = (
        "refund_currency_differs",
        "Stripe shows another currency than we asked for.",
        _BY_HAND,
    )
    REFUND_NOT_REVERSED = (
        "refund_not_reversed",
        "The platform paid a refund that should have been taken back from a transfer.",
        "Reverse the transfer in Stripe's dashboard.",
    )
    REFUND_EXISTS_AFTER_ALL = (
        "refund_exists_after_all",
        "Stripe made a refund that we had recorded as failed: the customer has the money.",
        "Account for it: the refunded amount of our record does not include it.",
    )
    SECOND_REFUND = (
        "second_refund",
        "Two Refunds are of one refund.",
        "The customer may have been refunded twice.",
    )
    UNVERIFIED_METADATA = (
        "unverified_metadata",
        "An object carries our ids and does not prove that we made it. It changed nothing.",
        "Find out who made it. If it is ours: payment-worker reconcile --since … --accept.",
    )
    DISPUTE_NOT_RECORDED = (
        "dispute_not_recorded",
        "Stripe shows a dispute that we do not have.",
        "Answer it at Stripe.",
    )
    DISPUTE_STATUS_DIFFERS = (
        "dispute_status_differs",
        "Stripe shows another status of a dispute.",
        "Compare it with Stripe's.",
    )
    DISPUTE_MISSING_THERE = (
        "dispute_missing_there",
        "Stripe does not show a dispute that it has shown before.",
        _KEY,
    )
    UNKNOWN_TOO_LONG = (
        "unknown_too_long",
        "For an hour it is unknown what a request to Stripe came to.",
        "See whether Stripe can be reached, and whether its dashboard shows the object.",
    )
    PAYMENT_UNREADABLE = (
        "payment_unreadable",
        "Stripe shows a payment in a form that we cannot read.",
        _SHOWN,
    )
    REFUND_UNREADABLE = ("refund_unreadable", "Stripe shows a refund in a form that we cannot read.", _SHOWN)
    DISPUTE_UNREADABLE = (
        "dispute_unreadable",
        "Stripe shows a dispute in a form that we cannot read.",
        _SHOWN,
    )
    ACCOUNT_UNREADABLE = (
        "account_unreadable",
        "Stripe denies us a connected account.",
        "Have its owner connect it again, or correct the app that names it.",
    )
    LIST_UNREADABLE = (
        "list_unreadable",
        "Stripe denies us a list of objects.",
        "Grant our key read access to it.",
    )
    BALANCE_DIFFERS = (
        "balance_differs",
        "Stripe's balance of an account is not the ledger's.",
        "payment-worker balance names the objects that make the difference.",
    )
    TRANSACTION_UNKNOWN = (
        "transaction_unknown",
        "A balance transaction cannot be placed.",
        "Look at it in Stripe's dashboard; a newer version may know its type.",
    )
    TRANSACTION_UNREADABLE = (
        "transaction_unreadable",
        "A balance transaction cannot be read, and is not posted.",
        _SHOWN,
    )
    TRANSACTION_DIFFERS = (
        "transaction_differs",
        "A posted balance transaction has changed.",
        "Ask Stripe: they do not.",
    )
    TRANSACTION_MISSING_THERE = (
        "transaction_missing_there",
        "Stripe does not show a posted balance transaction.",
        _KEY,
    )
    RECORDED_FEE_DIFFERS = (
        "recorded_fee_differs",
        "Our record of a payment has another fee, net or currency than its balance transaction.",
        _BY_HAND,
    )
    NOT_AT_STRIPE = (
        "not_at_stripe",
        "Our record says that money moved, and no balance transaction does.",
        "A refund may wait for funds; otherwise ask Stripe.",
    )
    NOT_IN_OUR_RECORDS = (
        "not_in_our_records",
        "Money moved for what is ours, or claims to be, and we have no record of it.",
        "payment-worker reconcile --since finds what was lost; close what is a copy.",
    )
    NOT_CLEARED = (
        "not_cleared",
        "Our record and the balance transaction differ in the amount.",
        "Compare the object with Stripe's dashboard.",
    )
    PAYOUT_SUM_DIFFERS = (
        "payout_sum_differs",
        "A payout is not the sum of what Stripe lists for it.",
        "Ask Stripe.",
    )


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
    FindingKind.RECORDED_FEE_DIFFERS,
    FindingKind.PAYOUT_SUM_DIFFERS,
}
"""Findings of the ledger, which the balance import checks again; reconciliation does not."""

TOO_LONG: Final = timedelta(hours=1)
"""By then an attempt was looked up many times, and its request cannot be in progress any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: of one kind, about one object."""

    kind: FindingKind
    object_id: str
    """Stripe's id of the object; for `UNKNOWN_TOO_LONG` the attempt's idempotency key, for a list its name."""
    stripe_account: str = ""
    payment_id: UUID | None = None
    refund_id: UUID | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    """The values of the two records."""
