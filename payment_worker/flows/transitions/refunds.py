"""Applies snapshots of refunds to our refunds, and adopts refunds that were made elsewhere."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from payment_worker.domain.findings.kinds import Difference
from payment_worker.domain.findings.payments import unverified_metadata
from payment_worker.domain.findings.refunds import compare_refund
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.domain.refund import LOST, Refund, RefundStatus
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.transitions.refunds import adopt_refund, transition_refund
from payment_worker.domain.transitions.verdicts import Advanced, Contradicted, Contradiction, PaymentBehind
from payment_worker.domain.uuids import as_uuid
from payment_worker.flows.transitions.judgement import Judgement, PaymentCheck, Writes
from payment_worker.flows.transitions.messages import refund_message
from payment_worker.flows.transitions.payments import count_money, payment_writes, present
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import payments, refunds
from payment_worker.store.records.history import Cause, transition
from payment_worker.store.statements import Row
from payment_worker.telemetry.metrics import REFUNDS
from payment_worker.telemetry.recorder import count

ADOPTED: Final = UUID("6f6e6520-646f-6f72-8000-616461707465")
"""The namespace of the ids that adopted refunds get: the same Refund of Stripe's always gets the same."""


def judge_refund(
    connection: Connection,
    payment: Payment,
    snapshot: RefundSnapshot,
    *,
    refund: Refund | None = None,
    is_proven: bool = False,
    payment_check: PaymentCheck = PaymentCheck.NONE,
) -> Judgement:
    """What a snapshot of a Refund changes of our refund and of its payment, which is locked.

    Args:
        refund: ours, where it is known to be the one that the snapshot shows.
        is_proven: whether it is known to be what its metadata say.
        payment_check: whether the payment was compared with Stripe just now.
    """
    if refund and _belongs_to_other_refund(connection, refund, snapshot):
        difference = compare_refund(payment, refund, snapshot)
        return Judgement(
            verdict=Contradicted(Contradiction.ANOTHER_REFUND), before=difference, left=difference
        )
    known = refund or known_refund(connection, payment, snapshot, is_proven=is_proven)
    if known is None and not is_proven and may_be_ours(connection, payment, snapshot):
        difference = _unverified(payment, snapshot)
        return Judgement(verdict=Contradicted(Contradiction.NOT_PROVEN), before=difference, left=difference)
    if payment.status is not PaymentStatus.SUCCEEDED and snapshot.trigger not in LOST and refund is None:
        return _judge_without_money(
            payment, known, snapshot, is_certain=payment_check.leaves_no_money(payment)
        )
    if known is None:
        return _judge_unknown_refund(connection, payment, snapshot, is_proven=is_proven)
    waiting_refund = waiting(connection, known, snapshot) if refund is None else None
    verdict = (
        adopt_refund(payment, waiting_refund, snapshot)
        if waiting_refund
        else transition_refund(payment, known, snapshot)
    )
    before = compare_refund(payment, waiting_refund or known, snapshot)
    if not isinstance(verdict, Advanced) or verdict.refund is None:
        return Judgement(verdict=verdict, before=before, left=before)
    return Judgement(
        verdict=verdict,
        before=before,
        left=compare_refund(payment, verdict.refund, snapshot),
        writes=partial(refund_writes, (payment, known), verdict),
    )


def _judge_without_money(
    payment: Payment, refund: Refund | None, snapshot: RefundSnapshot, *, is_certain: bool
) -> Judgement:
    """A Refund of a payment without captured money: the payment is out of date, or an operator has to decide."""
    difference = compare_refund(payment, refund, snapshot)
    if is_certain:
        verdict = Contradicted(Contradiction.STATUS_DIFFERS)
        return Judgement(verdict=verdict, before=difference, left=difference)
    return Judgement(verdict=PaymentBehind(), before=difference, left=difference)


def _unverified(payment: Payment, snapshot: RefundSnapshot) -> Difference:
    return unverified_metadata(
        snapshot.stripe_refund_id,
        payment_id=payment.payment_id,
        refund_id=as_uuid(snapshot.refund_id),
        stripe_account=payment.stripe_account,
    )


def _judge_unknown_refund(
    connection: Connection, payment: Payment, snapshot: RefundSnapshot, *, is_proven: bool
) -> Judgement:
    new_refund = _adopted_refund(connection, payment, snapshot, is_proven=is_proven)
    verdict = adopt_refund(payment, new_refund, snapshot)
    before = compare_refund(payment, None, snapshot)
    if not isinstance(verdict, Advanced) or verdict.refund is None:
        return Judgement(verdict=verdict, before=before, left=before)
    return Judgement(
        verdict=verdict,
        before=before,
        left=compare_refund(payment, verdict.refund, snapshot),
        writes=partial(_adoption_writes, payment, verdict.payment, verdict.refund),
    )


def known_refund(
    connection: Connection, payment: Payment, snapshot: RefundSnapshot, *, is_proven: bool
) -> Refund | None:
    """Our refund that this Refund is: by its own id, or by the one that it proves, if that is not another already."""
    if refund := refunds.find_by_stripe(connection, snapshot.stripe_refund_id):
        return refund
    named = named_refund(connection, snapshot) if is_proven else None
    # Metadata can be copied: a refund that already is another one, or another payment's, is not this one.
    if named and named.payment_id == payment.payment_id and named.stripe_refund_id is None:
        return named
    return None


def _belongs_to_other_refund(connection: Connection, refund: Refund, snapshot: RefundSnapshot) -> bool:
    """Whether the Refund is counted under another id: adopted, where our row and its metadata were lost both."""
    if refund.stripe_refund_id:
        return False
    recorded = refunds.find_by_stripe(connection, snapshot.stripe_refund_id)
    return recorded is not None and recorded.refund_id != refund.refund_id


def named_refund(connection: Connection, snapshot: RefundSnapshot) -> Refund | None:
    """Our refund whose id a Refund carries."""
    refund_id = as_uuid(snapshot.refund_id)
    return refunds.find(connection, refund_id) if refund_id else None


def may_be_ours(connection: Connection, payment: Payment, snapshot: RefundSnapshot) -> bool:
    """Whether a Refund names a refund of this payment that we may have lost, or whose Refund we do not know.

    If it names another one it was made elsewhere, whatever its metadata say, and is counted as such.
    """
    if (refund_id := as_uuid(snapshot.refund_id)) is None:
        return False
    named = refunds.find(connection, refund_id)
    if named is None:
        return as_uuid(snapshot.payment_id) == payment.payment_id
    return named.payment_id == payment.payment_id and named.stripe_refund_id is None


def waiting(connection: Connection, refund: Refund, snapshot: RefundSnapshot) -> Refund | None:
    """A refund that waits and has reserved nothing, as it was asked for; None where it does not.

    Stripe has such a one only where our record was restored to an older point. How much all that was left came to,
    where that was asked for, is for Stripe to say.
    """
    request = refunds.request_of(connection, refund.refund_id)
    if request is None or request["waits_until"] is None:
        return None
    return refund if request["amount_was_given"] else replace(refund, amount=snapshot.amount)


def _adopted_refund(
    connection: Connection, payment: Payment, snapshot: RefundSnapshot, *, is_proven: bool
) -> Refund:
    """The row of a Refund that we do not have: under its own name if it is one that we lost."""
    refund_id = as_uuid(snapshot.refund_id) if is_proven else None
    is_lost = refund_id is not None and refunds.find(connection, refund_id) is None
    return Refund(
        refund_id=refund_id if refund_id and is_lost else uuid5(ADOPTED, snapshot.stripe_refund_id),
        payment_id=payment.payment_id,
        # As it was then, so that readers get the message under the id that they know.
        version=int(is_lost),
        status=RefundStatus.REQUESTED,
        amount=snapshot.amount,
        currency=payment.currency,
        reason=snapshot.reason,
    )


def _adoption_writes(
    payment: Payment, after: Payment, refund: Refund, *, cause: Cause, now: datetime
) -> Writes:
    adoption_cause = replace(cause, cause=f"adopted: {cause.cause}")
    request = {"amount_was_given": True, "waits_until": None, "fingerprint": None}
    return [
        refunds.new_row(refund, request=request, now=now),
        *payment_writes(payment, after, cause=adoption_cause, now=now),
        refund_transition(None, refund, cause=adoption_cause, now=now),
        *present(refund_message(after, refund, now=now)),
    ]


def refund_writes(
    before: tuple[Payment, Refund], advanced: Advanced, *, cause: Cause, now: datetime
) -> Writes:
    """The rows of the refund and its payment, with history and message if the status or the pending reason changes."""
    payment, refund = before
    after = advanced.refund
    assert after is not None  # noqa: S101 - a refund's verdict always carries it
    writes: Writes = [refunds.changed(after, now=now)]
    count_money(payment, advanced.payment)
    if advanced.payment != payment:
        writes.append(payments.changed(payment, advanced.payment, now=now))
    if (after.status, after.pending_reason) != (refund.status, refund.pending_reason):
        writes.append(refund_transition(refund.status, after, cause=cause, now=now))
        writes += present(refund_message(advanced.payment, after, now=now))
    return writes


def refund_transition(before: str | None, after: Refund, *, cause: Cause, now: datetime) -> Row:
    """The history of one step of a refund, which is counted."""
    if after.status != before:
        count(REFUNDS, after.status.lower())
    detail = {
        "amount": after.amount,
        "currency": after.currency,
        "stripe_refund_id": after.stripe_refund_id,
        "pending_reason": after.pending_reason,
        "failure_reason": after.failure_reason,
    }
    return transition(
        payment_id=after.payment_id,
        refund_id=after.refund_id,
        before=before,
        after=after.status,
        cause=cause,
        now=now,
        detail={name: value for name, value in detail.items() if value is not None},
    )
