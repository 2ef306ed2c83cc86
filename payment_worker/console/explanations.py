"""Explains each kind of finding and what to do about it; docs/how-to/reconcile.md says more."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from payment_worker.domain.discrepancies.findings import FindingKind as Kind

_BY_HAND: Final = "See whether the row or Stripe's object was changed by hand."
_KEY: Final = "Check the account and the mode of our key."
_SHOWN: Final = "Look at it in Stripe's dashboard; if it looks normal there, it is a bug of ours."

MEANINGS: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        Kind.PAYMENT_STATUS_DIFFERS: (
            "Our status is final, and Stripe shows another.",
            "Read how ours was reached.",
        ),
        Kind.PAYMENT_AMOUNT_DIFFERS: ("Stripe shows another amount than we asked for.", _BY_HAND),
        Kind.PAYMENT_CURRENCY_DIFFERS: ("Stripe shows another currency than we asked for.", _BY_HAND),
        Kind.PAYMENT_FEE_DIFFERS: ("Stripe shows another application fee than we asked for.", _BY_HAND),
        Kind.PAYMENT_TRANSFER_DIFFERS: ("Stripe shows another transfer than we asked for.", _BY_HAND),
        Kind.PAYMENT_MISSING_HERE: (
            "Stripe has a payment of ours that we do not have.",
            "If it was lost: payment-worker reconcile --since.",
        ),
        Kind.PAYMENT_MISSING_THERE: ("Stripe does not show this payment.", _KEY),
        Kind.SECOND_PAYMENT_INTENT: (
            "Two PaymentIntents are of one payment.",
            "If both succeeded, refund the one that is not in our record.",
        ),
        Kind.SEVERAL_PAYMENT_INTENTS: (
            "Several PaymentIntents are of one payment that was lost.",
            "Find the right one, then payment-worker reconcile --since … --accept.",
        ),
        Kind.REFUND_NOT_OURS: ("A refund was made elsewhere; it is recorded.", "Nothing."),
        Kind.REFUND_MISSING_THERE: ("Stripe does not show this refund.", _KEY),
        Kind.REFUND_STATUS_DIFFERS: (
            "Our status is final, and Stripe shows another.",
            "Read how ours was reached.",
        ),
        Kind.REFUND_AMOUNT_DIFFERS: ("Stripe shows another amount than we asked for.", _BY_HAND),
        Kind.REFUND_CURRENCY_DIFFERS: ("Stripe shows another currency than we asked for.", _BY_HAND),
        Kind.REFUND_NOT_REVERSED: (
            "The platform paid a refund that should have been taken back from a transfer.",
            "Reverse the transfer in Stripe's dashboard.",
        ),
        Kind.REFUND_EXISTS_AFTER_ALL: (
            "Stripe made a refund that we had recorded as failed: the customer has the money.",
            "Account for it: the refunded amount of our record does not include it.",
        ),
        Kind.SECOND_REFUND: ("Two Refunds are of one refund.", "The customer may have been refunded twice."),
        Kind.UNVERIFIED_METADATA: (
            "An object carries our ids and does not prove that we made it. It changed nothing.",
            "Find out who made it. If it is ours: payment-worker reconcile --since … --accept.",
        ),
        Kind.DISPUTE_NOT_RECORDED: ("Stripe shows a dispute that we do not have.", "Answer it at Stripe."),
        Kind.DISPUTE_STATUS_DIFFERS: (
            "Stripe shows another status of a dispute.",
            "Compare it with Stripe's.",
        ),
        Kind.DISPUTE_MISSING_THERE: ("Stripe does not show a dispute that it has shown before.", _KEY),
        Kind.UNKNOWN_TOO_LONG: (
            "For an hour it is unknown what a request to Stripe came to.",
            "See whether Stripe can be reached, and whether its dashboard shows the object.",
        ),
        Kind.PAYMENT_UNREADABLE: ("Stripe shows a payment in a form that we cannot read.", _SHOWN),
        Kind.REFUND_UNREADABLE: ("Stripe shows a refund in a form that we cannot read.", _SHOWN),
        Kind.DISPUTE_UNREADABLE: ("Stripe shows a dispute in a form that we cannot read.", _SHOWN),
        Kind.ACCOUNT_UNREADABLE: (
            "Stripe denies us a connected account.",
            "Have its owner connect it again, or correct the app that names it.",
        ),
        Kind.LIST_UNREADABLE: ("Stripe denies us a list of objects.", "Grant our key read access to it."),
        Kind.BALANCE_DIFFERS: (
            "Stripe's balance of an account is not the ledger's.",
            "payment-worker balance names the objects that make the difference.",
        ),
        Kind.TRANSACTION_UNKNOWN: (
            "A balance transaction cannot be placed.",
            "Look at it in Stripe's dashboard, then close this.",
        ),
        Kind.TRANSACTION_UNREADABLE: ("A balance transaction cannot be read, and is not posted.", _SHOWN),
        Kind.TRANSACTION_DIFFERS: ("A posted balance transaction has changed.", "Ask Stripe: they do not."),
        Kind.TRANSACTION_MISSING_THERE: ("Stripe does not show a posted balance transaction.", _KEY),
        Kind.NOT_AT_STRIPE: (
            "Our record says that money moved, and no balance transaction does.",
            "A refund may wait for funds; otherwise ask Stripe.",
        ),
        Kind.NOT_IN_OUR_RECORDS: (
            "Money of a customer's moved of which we have no record.",
            "payment-worker reconcile --since finds what was lost; close what another app did.",
        ),
        Kind.NOT_CLEARED: (
            "Our record and the balance transaction differ in the amount.",
            "Compare the object with Stripe's dashboard.",
        ),
        Kind.PAYOUT_SUM_DIFFERS: ("A payout is not the sum of what Stripe lists for it.", "Ask Stripe."),
    }
)


def meaning(kind: str) -> tuple[str, str]:
    """What a finding of this kind means, and what to do; nothing of one that a newer version has found."""
    return next((said for known, said in MEANINGS.items() if known == kind), ("", ""))
