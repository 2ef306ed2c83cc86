"""Compares a payment with a snapshot of its PaymentIntent, and names the first difference.

Both sides must be of the same time, or be refreshed: a list that was read before our row changed shows a difference
that does not exist.
"""

from functools import partial
from uuid import UUID

from payment_worker.domain.findings.kinds import Difference, FindingKind
from payment_worker.domain.payment import CAPTURING, Payment, shows_status
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.domain.transitions.payments import is_split_as_asked, took_more


def compare_payment(payment: Payment, snapshot: PaymentIntentSnapshot) -> Difference | None:
    """How a payment and the PaymentIntent that is its own, or names it, differ."""
    differs = partial(_difference, payment, snapshot)
    if payment.stripe_payment_intent_id not in {None, snapshot.stripe_payment_intent_id}:
        return second_payment_intent(payment, snapshot.stripe_payment_intent_id)
    if snapshot.currency != payment.currency:
        return differs(FindingKind.PAYMENT_CURRENCY_DIFFERS, ours=payment.currency, theirs=snapshot.currency)
    if payment.stripe_payment_intent_id is None and took_more(payment, snapshot):
        return _amount_differs(payment, snapshot)
    if not _same_status(payment, snapshot):
        return differs(FindingKind.PAYMENT_STATUS_DIFFERS, ours=payment.status, theirs=snapshot.trigger)
    if took_more(payment, snapshot):
        return _amount_differs(payment, snapshot)
    if payment.status in CAPTURING and snapshot.amount_received != payment.amount_captured:
        ours, theirs = payment.amount_captured, snapshot.amount_received
        return differs(FindingKind.PAYMENT_AMOUNT_DIFFERS, ours=ours, theirs=theirs)
    return None if is_split_as_asked(payment, snapshot) else _split_differs(payment, snapshot)


def _split_differs(payment: Payment, snapshot: PaymentIntentSnapshot) -> Difference:
    differs = partial(_difference, payment, snapshot)
    if snapshot.application_fee_amount != payment.application_fee_amount:
        fee = payment.application_fee_amount
        return differs(FindingKind.PAYMENT_FEE_DIFFERS, ours=fee, theirs=snapshot.application_fee_amount)
    return differs(FindingKind.PAYMENT_TRANSFER_DIFFERS, ours=_transfer(payment), theirs=_transfer(snapshot))


def _transfer(source: Payment | PaymentIntentSnapshot) -> str | None:
    if source.transfer_destination is None:
        return None
    return f"{'all' if source.transfer_amount is None else source.transfer_amount} to {source.transfer_destination}"


def _same_status(payment: Payment, snapshot: PaymentIntentSnapshot) -> bool:
    is_known = snapshot.trigger is None or payment.stripe_payment_intent_id is not None
    return is_known and shows_status(payment.status, snapshot.trigger)


def _amount_differs(payment: Payment, snapshot: PaymentIntentSnapshot) -> Difference:
    largest = max(snapshot.amount_received, snapshot.amount_capturable)
    theirs = snapshot.amount if snapshot.amount != payment.amount else largest
    return _difference(
        payment, snapshot, FindingKind.PAYMENT_AMOUNT_DIFFERS, ours=payment.amount, theirs=theirs
    )


def _difference(
    payment: Payment, snapshot: PaymentIntentSnapshot, kind: FindingKind, *, ours: object, theirs: object
) -> Difference:
    return Difference(
        kind=kind,
        object_id=snapshot.stripe_payment_intent_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": ours, "theirs": theirs},
    )


def second_payment_intent(payment: Payment, stripe_payment_intent_id: str) -> Difference:
    """A finding: a PaymentIntent with a valid MAC for a payment that has another one."""
    return Difference(
        kind=FindingKind.SECOND_PAYMENT_INTENT,
        object_id=stripe_payment_intent_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": payment.stripe_payment_intent_id, "theirs": stripe_payment_intent_id},
    )


def several_payment_intents(
    stripe_payment_intent_id: str, *, payment_id: UUID, stripe_account: str, count: int
) -> Difference:
    """One of several PaymentIntents that prove to be of the same payment: all but one are copies, or paid it twice."""
    return Difference(
        kind=FindingKind.SEVERAL_PAYMENT_INTENTS,
        object_id=stripe_payment_intent_id,
        stripe_account=stripe_account,
        payment_id=payment_id,
        detail={"ours": None, "theirs": f"one of {count}"},
    )


def payment_missing_here(
    snapshot: PaymentIntentSnapshot, *, payment_id: UUID, stripe_account: str
) -> Difference:
    """A PaymentIntent that proves to be of a payment which is not there."""
    return Difference(
        kind=FindingKind.PAYMENT_MISSING_HERE,
        object_id=snapshot.stripe_payment_intent_id,
        stripe_account=stripe_account,
        payment_id=payment_id,
        detail={
            "ours": None,
            "theirs": snapshot.trigger,
            "amount": snapshot.amount,
            "currency": snapshot.currency,
        },
    )


def unverified_metadata(
    object_id: str, *, payment_id: UUID | None, refund_id: UUID | None = None, stripe_account: str
) -> Difference:
    """An object whose metadata name a payment or a refund, and do not prove that it is of it."""
    return Difference(
        kind=FindingKind.UNVERIFIED_METADATA,
        object_id=object_id,
        stripe_account=stripe_account,
        payment_id=payment_id,
        refund_id=refund_id,
        detail={"ours": None, "theirs": "not proven to be ours"},
    )


def payment_missing_there(payment: Payment) -> Difference:
    """A payment whose PaymentIntent is not shown."""
    return Difference(
        kind=FindingKind.PAYMENT_MISSING_THERE,
        object_id=payment.payment_intent,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": payment.status, "theirs": None},
    )
