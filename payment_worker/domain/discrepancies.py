"""Compares a payment, refund or dispute with Stripe's snapshot of it, and names each difference.

Both sides must be of the same time, or be refreshed: a list that was read before our row changed shows a difference
that does not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payment_worker.domain.dispute import DisputeSnapshot, DisputeStatus
from payment_worker.domain.payment import Payment, PaymentStatus, shows_status
from payment_worker.domain.refund import LOST, RELEASED, Refund, RefundStatus, RefundTrigger
from payment_worker.domain.snapshots import PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.transitions import is_reversed_as_asked, is_split_as_asked, took_more


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


STATUS_OF_REFUND: Final[Mapping[RefundTrigger, RefundStatus]] = MappingProxyType(
    {
        RefundTrigger.ACTION_REQUIRED: RefundStatus.REQUIRES_ACTION,
        RefundTrigger.PENDED: RefundStatus.PENDING,
        RefundTrigger.SUCCEEDED: RefundStatus.PROCESSED,
        RefundTrigger.FAILED: RefundStatus.FAILED,
        RefundTrigger.CANCELED: RefundStatus.CANCELED,
    }
)
"""The refund status that corresponds to Stripe's status."""

CLOSURES: Final = frozenset({FindingKind.ACCOUNT_UNREADABLE, FindingKind.LIST_UNREADABLE})
"""Findings about objects that Stripe denies us."""

Closed = tuple[FindingKind, str]
"""Objects that Stripe denies us: kind and object of the finding about it."""


def closed_list(of: StripeList, *, stripe_account: str | None) -> Closed:
    """A list of an account, and the objects on it."""
    return FindingKind.LIST_UNREADABLE, f"{of} of {stripe_account}" if stripe_account else of


def closed_account(stripe_account: str) -> Closed:
    """A connected account and all that is on it."""
    return FindingKind.ACCOUNT_UNREADABLE, stripe_account


def closures(of: StripeList, *, stripe_account: str | None) -> frozenset[Closed]:
    """The closures of which any one hides this list."""
    itself = closed_list(of, stripe_account=stripe_account)
    return frozenset({itself, closed_account(stripe_account)} if stripe_account else {itself})


def not_shown(closed: Closed, *, stripe_account: str | None, reason: str) -> Difference:
    """A finding about objects that Stripe denies us."""
    kind, object_id = closed
    return Difference(
        kind=kind,
        object_id=object_id,
        stripe_account=stripe_account or None,
        detail={"ours": None, "theirs": reason},
    )


def compare_payment(payment: Payment, seen: PaymentIntentSnapshot) -> Difference | None:
    """How a payment and the PaymentIntent that is its own, or names it, differ."""
    if payment.stripe_payment_intent_id not in {None, seen.stripe_payment_intent_id}:
        return second_payment_intent(payment, seen.stripe_payment_intent_id)
    if seen.currency != payment.currency:
        return _payment(
            FindingKind.PAYMENT_CURRENCY_DIFFERS, payment, seen, ours=payment.currency, theirs=seen.currency
        )
    if payment.stripe_payment_intent_id is None and took_more(payment, seen):
        return _amount_differs(payment, seen)
    if not _same_status(payment, seen):
        return _payment(
            FindingKind.PAYMENT_STATUS_DIFFERS, payment, seen, ours=payment.status, theirs=seen.trigger
        )
    if took_more(payment, seen):
        return _amount_differs(payment, seen)
    if payment.status is PaymentStatus.SUCCEEDED and seen.amount_received != payment.amount_captured:
        return _payment(
            FindingKind.PAYMENT_AMOUNT_DIFFERS,
            payment,
            seen,
            ours=payment.amount_captured,
            theirs=seen.amount_received,
        )
    return _compare_split(payment, seen)


def _compare_split(payment: Payment, seen: PaymentIntentSnapshot) -> Difference | None:
    if is_split_as_asked(payment, seen):
        return None
    if seen.application_fee_amount != payment.application_fee_amount:
        ours, theirs = payment.application_fee_amount, seen.application_fee_amount
        return _payment(FindingKind.PAYMENT_FEE_DIFFERS, payment, seen, ours=ours, theirs=theirs)
    return _payment(
        FindingKind.PAYMENT_TRANSFER_DIFFERS, payment, seen, ours=_transfer(payment), theirs=_transfer(seen)
    )


def _transfer(of: Payment | PaymentIntentSnapshot) -> str | None:
    if of.transfer_destination is None:
        return None
    return f"{'all' if of.transfer_amount is None else of.transfer_amount} to {of.transfer_destination}"


def _same_status(payment: Payment, seen: PaymentIntentSnapshot) -> bool:
    is_known = seen.trigger is None or payment.stripe_payment_intent_id is not None
    return is_known and shows_status(payment.status, seen.trigger)


def _amount_differs(payment: Payment, seen: PaymentIntentSnapshot) -> Difference:
    taken = max(seen.amount_received, seen.amount_capturable)
    theirs = seen.amount if seen.amount != payment.amount else taken
    return _payment(FindingKind.PAYMENT_AMOUNT_DIFFERS, payment, seen, ours=payment.amount, theirs=theirs)


def _payment(
    kind: FindingKind, payment: Payment, seen: PaymentIntentSnapshot, *, ours: object, theirs: object
) -> Difference:
    return Difference(
        kind=kind,
        object_id=seen.stripe_payment_intent_id,
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
    stripe_payment_intent_id: str, *, payment_id: UUID, stripe_account: str | None, count: int
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
    seen: PaymentIntentSnapshot, *, payment_id: UUID, stripe_account: str | None
) -> Difference:
    """A PaymentIntent that proves to be of a payment which is not there."""
    return Difference(
        kind=FindingKind.PAYMENT_MISSING_HERE,
        object_id=seen.stripe_payment_intent_id,
        stripe_account=stripe_account,
        payment_id=payment_id,
        detail={"ours": None, "theirs": seen.trigger, "amount": seen.amount, "currency": seen.currency},
    )


def unverified_metadata(
    object_id: str, *, payment_id: UUID | None, refund_id: UUID | None = None, stripe_account: str | None
) -> Difference:
    """An object whose metadata name a payment or a refund, and do not prove that it is of it."""
    return Difference(
        kind=FindingKind.UNVERIFIED_METADATA,
        object_id=object_id,
        stripe_account=stripe_account or None,
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


def compare_refund(payment: Payment, refund: Refund | None, seen: RefundSnapshot) -> Difference | None:
    """How a Refund of this payment and our refund that it is, if there is one, differ."""
    if refund is None:
        return _refund(FindingKind.REFUND_NOT_OURS, payment, None, seen, ours=None, theirs=seen.trigger)
    if refund.stripe_refund_id not in {None, seen.stripe_refund_id}:
        own = refund.stripe_refund_id
        return _refund(
            FindingKind.SECOND_REFUND, payment, refund, seen, ours=own, theirs=seen.stripe_refund_id
        )
    if seen.currency != refund.currency:
        return _refund(
            FindingKind.REFUND_CURRENCY_DIFFERS,
            payment,
            refund,
            seen,
            ours=refund.currency,
            theirs=seen.currency,
        )
    if seen.amount != refund.amount:
        return _refund(
            FindingKind.REFUND_AMOUNT_DIFFERS, payment, refund, seen, ours=refund.amount, theirs=seen.amount
        )
    if refund.status in RELEASED and refund.stripe_refund_id is None and seen.trigger not in LOST:
        return _refund(
            FindingKind.REFUND_EXISTS_AFTER_ALL,
            payment,
            refund,
            seen,
            ours=refund.status,
            theirs=seen.trigger,
        )
    if STATUS_OF_REFUND[seen.trigger] is not refund.status or not refund.stripe_refund_id:
        return _refund(
            FindingKind.REFUND_STATUS_DIFFERS, payment, refund, seen, ours=refund.status, theirs=seen.trigger
        )
    if not is_reversed_as_asked(refund, seen):
        return _refund(
            FindingKind.REFUND_NOT_REVERSED, payment, refund, seen, ours="reversed", theirs="not reversed"
        )
    return None


def _refund(
    kind: FindingKind,
    payment: Payment,
    refund: Refund | None,
    seen: RefundSnapshot,
    *,
    ours: object,
    theirs: object,
) -> Difference:
    return Difference(
        kind=kind,
        object_id=seen.stripe_refund_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        refund_id=refund.refund_id if refund else None,
        detail={"ours": ours, "theirs": theirs},
    )


def refund_missing_there(refund: Refund, *, stripe_account: str | None) -> Difference:
    """A refund whose Refund is not shown."""
    return Difference(
        kind=FindingKind.REFUND_MISSING_THERE,
        object_id=str(refund.stripe_refund_id),
        stripe_account=stripe_account,
        payment_id=refund.payment_id,
        refund_id=refund.refund_id,
        detail={"ours": refund.status, "theirs": None},
    )


def compare_dispute(payment: Payment, ours: DisputeStatus | None, seen: DisputeSnapshot) -> Difference | None:
    """How a dispute of this payment and what we have recorded of it differ."""
    if ours is seen.status:
        return None
    return Difference(
        kind=FindingKind.DISPUTE_STATUS_DIFFERS if ours else FindingKind.DISPUTE_NOT_RECORDED,
        object_id=seen.stripe_dispute_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": ours, "theirs": seen.status},
    )


def dispute_missing_there(payment: Payment, stripe_dispute_id: str, ours: DisputeStatus) -> Difference:
    """A dispute that we have recorded and Stripe does not show."""
    return Difference(
        kind=FindingKind.DISPUTE_MISSING_THERE,
        object_id=stripe_dispute_id,
        stripe_account=payment.stripe_account,
        payment_id=payment.payment_id,
        detail={"ours": ours, "theirs": None},
    )
