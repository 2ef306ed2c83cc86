"""Adopts a PaymentIntent created by another program, such as Checkout or Elements, as our payment.

The PaymentIntent is retrieved twice: before the payment's row is inserted, and again after that. So a change in between
is recorded even if its event arrived before the row. What there was before, such as refunds and disputes, is read after
that too: until it is, the row's `adoption_due_at` says when the sweep has it continued, whoever dies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, assert_never
from uuid import UUID

from payment_worker.contracts.requests import AdoptRequest, fingerprint
from payment_worker.domain.adoption import AdoptionRejection, check_adoption
from payment_worker.domain.attempts.outcome import Absent, Postponed, Unanswered
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult, Conflict, payment_result
from payment_worker.flows.transitions.apply import NotShown, Overtaken, apply_snapshot, judge
from payment_worker.flows.transitions.early_fraud_warnings import record_warning
from payment_worker.flows.transitions.judgement import Writes
from payment_worker.flows.transitions.messages import payment_message
from payment_worker.flows.transitions.payments import payment_writes, present
from payment_worker.flows.transitions.provenance import keys_of
from payment_worker.flows.transitions.refresh import ObjectKind, Target
from payment_worker.gateway.client import Unreadable
from payment_worker.gateway.lists.pages import Page, early_fraud_warnings_page, ids_page
from payment_worker.gateway.restore import OriginalRequest, fetch_original_request
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import payments, stripe_requests
from payment_worker.store.records.history import transition
from payment_worker.store.statements import write

CAUSE: Final = "adopted"


@dataclass(frozen=True, slots=True)
class RejectAdoption:
    """The PaymentIntent does not become a payment."""

    adoption_rejection: AdoptionRejection


@dataclass(frozen=True, slots=True)
class StripeAway:
    """Stripe does not say now what is to be adopted: the same request again is still good."""


def adopt(context: Context, request: AdoptRequest) -> CommandResult | Conflict | RejectAdoption | StripeAway:
    """Adopt a PaymentIntent for this `payment_id`; a repeated request changes nothing."""
    existing = _existing_payment(context, request)
    if isinstance(existing, Conflict):
        return existing
    if existing is None and (rejection := _retrieve_and_insert(context, request)):
        return rejection
    return continue_adoption(context, request.payment_id)


def continue_adoption(context: Context, payment_id: UUID) -> CommandResult | StripeAway:
    """Apply what Stripe shows of an adopted payment now, and what it has of it already: refunds and the like."""
    payment = _find_payment(context, payment_id)
    is_applied = _apply_object(context, payment, ObjectKind.PAYMENT_INTENT, payment.payment_intent)
    if not (is_applied and all(_apply_list(context, payment, kind, path) for kind, path in LISTS.items())):
        return StripeAway()
    payment = _find_payment(context, payment_id)
    if not _record_warnings(context, payment):
        return StripeAway()
    with context.database.begin() as connection:
        payments.end_adoption(connection, payment_id)
    context.notify_relay()
    return payment_result(payment)


def _find_payment(context: Context, payment_id: UUID) -> Payment:
    with context.database.begin() as connection:
        payment = payments.find(connection, payment_id)
    assert payment is not None  # noqa: S101 - it is recorded, and payments are never deleted
    return payment


def _retrieve_and_insert(
    context: Context, request: AdoptRequest
) -> Conflict | RejectAdoption | StripeAway | None:
    """Retrieve it and insert the payment; None if the row exists now."""
    original = fetch_original_request(context.stripe, request.payment_intent, account=request.on_account)
    match original:
        case OriginalRequest():
            return _ownership_rejection(context, request) or _insert_payment(context, request, original)
        case Absent():
            return RejectAdoption(AdoptionRejection.NO_SUCH_PAYMENT_INTENT)
        case Unreadable():
            return RejectAdoption(AdoptionRejection.UNREADABLE)
        case Unanswered() | Postponed():
            return StripeAway()
        case _:
            assert_never(original)


def _ownership_rejection(context: Context, request: AdoptRequest) -> RejectAdoption | StripeAway | None:
    """Why not to adopt what may be an attempt's of ours, whatever its metadata say."""
    kind, intent = ObjectKind.PAYMENT_INTENT, request.payment_intent
    keys = keys_of(context, kind, intent, account=request.on_account)
    if not isinstance(keys, frozenset):
        return StripeAway()
    with context.database.begin() as connection:
        is_ours = any(stripe_requests.is_known(connection, key) for key in keys)
    return RejectAdoption(AdoptionRejection.OTHER_PAYMENT) if is_ours else None


def _existing_payment(context: Context, request: AdoptRequest) -> Payment | Conflict | None:
    with context.database.begin() as connection:
        payment = payments.find(connection, request.payment_id)
        if payment and payments.fingerprint(connection, request.payment_id) != fingerprint(request):
            return Conflict("payment_id")
        return payment


def _insert_payment(
    context: Context, request: AdoptRequest, original: OriginalRequest
) -> RejectAdoption | Conflict | None:
    """Insert the payment; None if the row exists now, whoever inserted it."""
    snapshot = original.snapshot
    rejection = check_adoption(request.payment_id, snapshot, livemode=context.policy.livemode)
    if rejection:
        return RejectAdoption(rejection)
    payment, now = _payment_of(request, snapshot), context.clock()
    with context.database.begin() as connection:
        due_at = now + context.policy.lease  # longer than what follows takes, unless this worker dies
        columns = {**original.columns, "metadata": original.metadata, "adoption_due_at": due_at}
        is_inserted = payments.insert_payment(
            connection, payment, request=columns, fingerprint=fingerprint(request), created_at=now
        )
        if is_inserted:
            write(connection, _first_writes(context, connection, payment, snapshot, now))
            if original.balance_transaction:
                transaction = original.balance_transaction
                write(
                    connection, [payments.with_balance_transaction(payment.payment_id, transaction, now=now)]
                )
            return None
        owner_id = payments.id_by_payment_intent(connection, request.payment_intent)
    if owner_id not in {None, request.payment_id}:
        return RejectAdoption(AdoptionRejection.OTHER_PAYMENT)
    existing = _existing_payment(context, request)
    return existing if isinstance(existing, Conflict) else None


def _payment_of(request: AdoptRequest, snapshot: PaymentIntentSnapshot) -> Payment:
    return Payment(
        payment_id=request.payment_id,
        order_id=request.order_id,
        customer_id=request.customer_id,
        version=1,
        status=PaymentStatus.REQUESTED,
        amount=snapshot.amount,
        currency=snapshot.currency,
        stripe_account=request.on_account,
        application_fee_amount=snapshot.application_fee_amount,
        transfer_destination=snapshot.transfer_destination,
        transfer_amount=snapshot.transfer_amount,
        stripe_payment_intent_id=snapshot.stripe_payment_intent_id,
    )


def _first_writes(
    context: Context, connection: Connection, payment: Payment, snapshot: PaymentIntentSnapshot, now: datetime
) -> Writes:
    cause = context.cause(CAUSE)
    history_row = transition(
        payment_id=payment.payment_id,
        before=None,
        after=payment.status,
        cause=cause,
        now=now,
        detail={"amount": payment.amount, "currency": payment.currency},
    )
    messages = present(payment_message(payment, now=now))
    if snapshot.trigger is None:
        # Its customer has not paid yet, as in REQUIRES_ACTION.
        waiting = replace(payment, status=PaymentStatus.REQUIRES_ACTION, version=2)
        expiry = context.policy.action_expiry
        return [
            history_row,
            *messages,
            *payment_writes(payment, waiting, cause=cause, now=now, action_expiry=expiry),
        ]
    judgement = judge(context, connection, payment, snapshot.as_of(payment.version))
    return [history_row, *messages, *judgement.writes(cause=cause, now=now)]


LISTS: Final[Mapping[ObjectKind, str]] = MappingProxyType(
    {ObjectKind.REFUND: "/v1/refunds", ObjectKind.DISPUTE: "/v1/disputes"}
)
"""Objects that may have been created for a PaymentIntent before it was adopted."""


def _record_warnings(context: Context, payment: Payment) -> bool:
    """Record the early fraud warnings that the PaymentIntent has already; whether Stripe has shown them."""
    after: str | None = None
    while True:
        page = early_fraud_warnings_page(
            context.stripe, payment.payment_intent, after=after, account=payment.stripe_account
        )
        if not isinstance(page, Page):
            return False
        with context.database.begin() as connection:
            for warning in page.objects:
                record_warning(context, connection, payment, warning)
        if page.cursor is None:
            return True
        after = page.cursor


def _apply_list(context: Context, payment: Payment, kind: ObjectKind, path: str) -> bool:
    after: str | None = None
    while True:
        page = ids_page(
            context.stripe, path, payment.payment_intent, after=after, account=payment.stripe_account
        )
        if not isinstance(page, Page):
            return False
        if not all(_apply_object(context, payment, kind, stripe_id) for stripe_id in page.objects):
            return False
        if page.cursor is None:
            return True
        after = page.cursor


def _apply_object(context: Context, payment: Payment, kind: ObjectKind, stripe_id: str) -> bool:
    """Apply an object in its current state; whether Stripe has shown it."""
    target = Target(
        kind=kind, stripe_id=stripe_id, payment_id=payment.payment_id, account=payment.stripe_account
    )
    match apply_snapshot(context, target, cause=context.cause(CAUSE)):
        case Overtaken() | NotShown(_, Unanswered() | Postponed()):
            return False
        case _:
            return True  # what contradicts our record is a finding
