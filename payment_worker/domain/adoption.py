"""Decides which PaymentIntents of other programs may be adopted as payments."""

from uuid import UUID

from payment_worker.domain.explained_code import Code
from payment_worker.domain.money import CURRENCIES
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.uuids import as_uuid


class AdoptionRejection(Code):
    """Why a PaymentIntent is not adopted: the code of the rejected request, and its message."""

    NO_SUCH_PAYMENT_INTENT = "no_such_payment_intent", "is not a PaymentIntent of this account"
    UNREADABLE = "unreadable", "cannot be parsed in the pinned API version"
    OTHER_MODE = "other_mode", "is in another mode (test or live) than our key"
    OTHER_PAYMENT = "other_payment", "belongs to another payment, or names one in its metadata"
    UNKNOWN_CURRENCY = "unknown_currency", "is in a currency that the worker does not support"
    NO_AMOUNT = "no_amount", "has no amount"


def check_adoption(
    payment_id: UUID, snapshot: PaymentIntentSnapshot, *, livemode: bool
) -> AdoptionRejection | None:
    """Why a PaymentIntent cannot become this payment, if it cannot."""
    if snapshot.livemode is not livemode:
        return AdoptionRejection.OTHER_MODE
    # A value that is not a UUID is another app's id.
    if as_uuid(snapshot.payment_id) not in {None, payment_id}:
        return AdoptionRejection.OTHER_PAYMENT
    if snapshot.currency not in CURRENCIES:
        return AdoptionRejection.UNKNOWN_CURRENCY
    if snapshot.amount <= 0:
        return AdoptionRejection.NO_AMOUNT
    return None
