"""Applies snapshots of disputes to disputes and their payments."""

from datetime import datetime
from functools import partial
from uuid import uuid5

from payment_worker.contracts import messages
from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.findings.disputes import compare_dispute
from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import DisputeSnapshot
from payment_worker.domain.transitions.disputes import DisputeMoved, transition_dispute
from payment_worker.domain.transitions.verdicts import Contradicted, Contradiction, PaymentBehind
from payment_worker.flows.transitions.judgement import Judgement, PaymentCheck, Verdict, Writes
from payment_worker.store.connection.database import Connection
from payment_worker.store.outbox import message_row
from payment_worker.store.records import disputes, history, payments
from payment_worker.store.records.history import Cause, transition
from payment_worker.store.statements import Row


def judge_dispute(
    connection: Connection,
    payment: Payment,
    snapshot: DisputeSnapshot,
    *,
    payment_check: PaymentCheck = PaymentCheck.NONE,
) -> Judgement:
    """What a snapshot of a dispute changes of our record of it and of its payment, which is locked.

    Args:
        payment_check: whether the payment was compared with Stripe just now.
    """
    payment_disputes = disputes.of_payment(connection, payment.payment_id)
    recorded_status = {each.stripe_dispute_id: each.status for each in payment_disputes}.get(
        snapshot.stripe_dispute_id
    )
    verdict: Verdict = transition_dispute(payment, payment_disputes, snapshot)
    before = compare_dispute(payment, recorded_status, snapshot)
    if isinstance(verdict, DisputeMoved):
        was_lost = _was_lost(connection, verdict)
        writes = partial(_dispute_writes, payment, verdict, was_lost=was_lost)
        return Judgement(verdict=verdict, before=before, left=None, writes=writes)
    if isinstance(verdict, PaymentBehind) and payment_check.leaves_no_money(payment):
        verdict = Contradicted(Contradiction.STATUS_DIFFERS)
    return Judgement(verdict=verdict, before=before, left=before)


def _dispute_writes(
    payment: Payment, moved: DisputeMoved, *, was_lost: bool, cause: Cause, now: datetime
) -> Writes:
    is_marked = payment.is_disputed is not moved.payment.is_disputed
    return [
        disputes.recorded(moved.dispute, is_new=moved.before is None, now=now),
        *([payments.changed(payment, moved.payment, now=now)] if is_marked else []),
        _transition(moved, cause, now),
        *_messages(moved, now, was_lost=was_lost),
    ]


def _transition(moved: DisputeMoved, cause: Cause, now: datetime) -> Row:
    dispute = moved.dispute
    return transition(
        payment_id=dispute.payment_id,
        stripe_dispute_id=dispute.stripe_dispute_id,
        before=moved.before,
        after=dispute.status,
        cause=cause,
        now=now,
        detail={"amount": dispute.amount, "currency": dispute.currency, "reason": dispute.reason},
    )


def _was_lost(connection: Connection, moved: DisputeMoved) -> bool:
    """Whether its loss was published before it was appealed."""
    return moved.is_lost_on_appeal and history.dispute_was(
        connection,
        payment_id=moved.dispute.payment_id,
        stripe_dispute_id=moved.dispute.stripe_dispute_id,
        status=DisputeStatus.LOST,
    )


def _messages(moved: DisputeMoved, now: datetime, *, was_lost: bool) -> list[Row]:
    """Both messages if a dispute is first seen when it is closed, so that consumers also see the beginning.

    Its end is published again only if an appeal changed it.
    """
    dispute = moved.dispute
    rows: list[Row] = []
    if moved.opened:
        opened = messages.DisputeOpened(
            dispute_id=dispute.stripe_dispute_id,
            payment_id=dispute.payment_id,
            order_id=moved.payment.order_id,
            amount=dispute.amount,
            currency=dispute.currency,
            reason=dispute.reason,
            evidence_due_by=dispute.evidence_due_by,
            opened_at=now,
        )
        rows.append(_message(moved, opened, now, version=1))
    if moved.closed and not was_lost:
        closed = messages.DisputeClosed(
            dispute_id=dispute.stripe_dispute_id,
            payment_id=dispute.payment_id,
            order_id=moved.payment.order_id,
            amount=dispute.amount,
            currency=dispute.currency,
            outcome=dispute.status.upper(),
            closed_at=now,
        )
        # It closes once, and once more if a published loss is reversed.
        rows.append(_message(moved, closed, now, version=2 if moved.undoes_a_loss else 1))
    return rows


def _message(moved: DisputeMoved, message: messages.Message, now: datetime, *, version: int) -> Row:
    subject = uuid5(moved.dispute.payment_id, moved.dispute.stripe_dispute_id)
    return message_row(
        message,
        payment_id=moved.dispute.payment_id,
        subject=subject,
        version=version,
        stripe_account=moved.payment.stripe_account,
        now=now,
    )
