"""Which PaymentIntents of other programs may be adopted as payments."""

from enum import StrEnum
from uuid import UUID

from payment_worker.domain.money import CURRENCIES
from payment_worker.domain.snapshots import PaymentIntentSnapshot


class AdoptionRejection(StrEnum):
    """Why a PaymentIntent is not adopted: the code of the rejected request."""

    NO_SUCH_PAYMENT_INTENT = "no_such_payment_intent"
    UNREADABLE = "unreadable"
    OTHER_MODE = "other_mode"
    OTHER_PAYMENT = "other_payment"
    UNKNOWN_CURRENCY = "unknown_currency"
    NO_AMOUNT = "no_amount"


SENTENCES = {
    AdoptionRejection.NO_SUCH_PAYMENT_INTENT: "is not a PaymentIntent of this account",
    AdoptionRejection.UNREADABLE: "is not shown by Stripe in the shape of the pinned API version",
    AdoptionRejection.OTHER_MODE: "is of the other mode, test or live, than our key",
    AdoptionRejection.OTHER_PAYMENT: "belongs to another payment, or names one in its metadata",
    AdoptionRejection.UNKNOWN_CURRENCY: "is in a currency in which the worker charges nothing",
    AdoptionRejection.NO_AMOUNT: "has no amount",
}


def check_adoption(
    payment_id: UUID, snapshot: PaymentIntentSnapshot, *, livemode: bool
) -> AdoptionRejection | None:
    """Why a PaymentIntent cannot become this payment, if it cannot."""
    if snapshot.livemode is not livemode:
        return AdoptionRejection.OTHER_MODE
    if _names_another(payment_id, snapshot.payment_id):
        return AdoptionRejection.OTHER_PAYMENT
    if snapshot.currency not in CURRENCIES:
        return AdoptionRejection.UNKNOWN_CURRENCY
    if snapshot.amount <= 0:
        return AdoptionRejection.NO_AMOUNT
    return None


def _names_another(payment_id: UUID, named: object) -> bool:
    """Whether metadata name another payment. A value that is not a UUID is another app's id."""
    try:
        return bool(named) and UUID(str(named)) != payment_id
    except ValueError:
        return False
