"""Applies a snapshot of a Stripe object to our record: the only code that updates records from Stripe's state.

Theory of operation. Events, the poll, look-ups, responses and reconciliation all end in `judge`, under the payment's
lock: it decides what the snapshot changes and records contradictions as findings. A caller that holds the lock already,
such as the one that records an outcome, writes the rows in its own statement. All others call `apply_snapshot`, which
locks, writes, and retrieves the object again if the snapshot cannot be trusted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, assert_never

from payment_worker.domain.attempts.idempotency_key import is_refund_key
from payment_worker.domain.findings.kinds import Difference
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund
from payment_worker.domain.snapshots import DisputeSnapshot, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.transitions.verdicts import (
    AwaitsAttempt,
    Contradicted,
    KeyUnknown,
    PaymentBehind,
    Stale,
)
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.contradictions import record_finding
from payment_worker.flows.transitions.disputes import judge_dispute
from payment_worker.flows.transitions.judgement import (
    KEY_UNKNOWN,
    NO_PROOF,
    UNDECIDED,
    Judgement,
    PaymentCheck,
    RefundProof,
    Verdict,
)
from payment_worker.flows.transitions.ownership import is_proven_refund
from payment_worker.flows.transitions.payments import judge_payment_intent
from payment_worker.flows.transitions.provenance import (
    keys_of,
    may_be_unanswered,
    refunded_under,
)
from payment_worker.flows.transitions.refresh import ObjectKind, Snapshot, Target, fetch
from payment_worker.flows.transitions.refunds import judge_refund, may_be_ours
from payment_worker.gateway.client import NotFetched
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import payments, refunds
from payment_worker.store.records.history import Cause
from payment_worker.store.statements import Write, write

MOST_FETCHES: Final = 3
"""How often an object is retrieved again because its record changed meanwhile, before it is left for later."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The snapshot was compared with our record, and what it changes is written."""

    verdict: Verdict
    before: Difference | None
    """How our record and the snapshot differed."""
    left: Difference | None
    """How they still differ. If that is a contradiction it becomes a finding."""


@dataclass(frozen=True, slots=True)
class NotShown:
    """Stripe did not show the object, or the PaymentIntent that had to be retrieved first."""

    target: Target
    failure: NotFetched


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Our record changed each time that the object was retrieved: another process is applying changes."""


@dataclass(frozen=True, slots=True)
class NoPayment:
    """We have no such payment."""


Application = Applied | NotShown | Overtaken | NoPayment


def judge(
    context: Context,
    connection: Connection,
    payment: Payment,
    snapshot: Snapshot,
    *,
    refund: Refund | None = None,
    payment_check: PaymentCheck = PaymentCheck.NONE,
    run_id: int | None = None,
    proof: RefundProof = NO_PROOF,
) -> Judgement:
    """Decide what a snapshot changes, and record a contradiction as a finding. The payment is locked.

    Args:
        refund: ours, where it is known to be the one that the snapshot shows.
        payment_check: whether the payment was compared with Stripe just now.
        run_id: the reconciliation that calls.
        proof: what is known about a Refund besides its fields.
    """
    match snapshot:
        case PaymentIntentSnapshot():
            judgement = judge_payment_intent(payment, snapshot, action_expiry=context.policy.action_expiry)
        case RefundSnapshot():
            judgement = _judge_refund(
                context,
                connection,
                payment,
                snapshot,
                refund=refund,
                payment_check=payment_check,
                proof=proof,
            )
        case DisputeSnapshot():
            judgement = judge_dispute(connection, payment, snapshot, payment_check=payment_check)
        case _:
            assert_never(snapshot)
    if judgement.contradiction and judgement.left:
        record_finding(context, connection, judgement.left, run_id=run_id)
    return judgement


def _judge_refund(
    context: Context,
    connection: Connection,
    payment: Payment,
    snapshot: RefundSnapshot,
    *,
    refund: Refund | None,
    payment_check: PaymentCheck,
    proof: RefundProof,
) -> Judgement:
    refund = refund or refunded_under(context, connection, payment, proof.made_under)
    is_proven = proof.is_accepted
    if not refund and not is_proven and refunds.find_by_stripe(connection, snapshot.stripe_refund_id) is None:
        is_claimed = may_be_ours(connection, payment, snapshot)
        is_key_known = proof.made_under is not None
        if (is_claimed or not is_key_known) and may_be_unanswered(connection, payment, snapshot):
            return UNDECIDED
        is_signed = is_claimed and is_proven_refund(context, connection, payment, snapshot)
        if is_signed and not is_key_known and not proof.is_asked:
            return KEY_UNKNOWN
        is_proven = is_signed and is_refund_key(proof.made_under, snapshot.refund_id)
    return judge_refund(
        connection, payment, snapshot, refund=refund, is_proven=is_proven, payment_check=payment_check
    )


def apply_snapshot(
    context: Context,
    target: Target,
    snapshot: Snapshot | None = None,
    *,
    cause: Cause,
    run_id: int | None = None,
    proof: RefundProof = NO_PROOF,
    further_writes: Callable[[Verdict], Sequence[Write]] = lambda _: (),
) -> Application:
    """Apply a snapshot to our record, or retrieve and apply the object.

    Args:
        further_writes: those in the same transaction, such as marking the event as processed.
        snapshot: the object as it was read; without it, it is retrieved.
        run_id: the reconciliation that calls.
        proof: what is known about a Refund besides its fields.
    """
    apply_to_record = partial(
        _apply, context, target, cause=cause, run_id=run_id, further_writes=further_writes
    )
    payment_check = PaymentCheck.NONE
    fetches = 0
    while True:
        if snapshot is None:
            fetched = fetch(context, target)
            if isinstance(fetched, NotFetched):
                return NotShown(target, fetched)
            snapshot, fetches = fetched, fetches + 1
        application = apply_to_record(snapshot, payment_check=payment_check, proof=proof)
        match application:
            case Applied(Stale()) if fetches >= MOST_FETCHES:
                return Overtaken()
            case Applied(Stale()):
                snapshot = None
            case Applied(verdict) if not proof.is_asked and _needs_key(verdict, run_id):
                looked_up_proof = _look_up_key(context, target, proof)
                if isinstance(looked_up_proof, NotShown):
                    return looked_up_proof
                proof = looked_up_proof
            case Applied(PaymentBehind()) if payment_check is PaymentCheck.NONE and (
                intent := _intent(snapshot)
            ):
                check_result = _check_payment(context, target, intent, cause=cause, run_id=run_id)
                if not isinstance(check_result, PaymentCheck):
                    return check_result
                payment_check = check_result
            case _:
                return application


def _needs_key(verdict: Verdict, run_id: int | None) -> bool:
    """Whether the key that made an object decides on it. Events wait for an attempt's end; a reconciliation asks."""
    return isinstance(verdict, KeyUnknown) or (run_id is not None and isinstance(verdict, AwaitsAttempt))


def _look_up_key(context: Context, target: Target, proof: RefundProof) -> RefundProof | NotShown:
    """The proof with the idempotency key that made the object, for an object that no finished attempt has made."""
    keys = keys_of(context, target.kind, target.stripe_id, account=target.account)
    if not isinstance(keys, frozenset):
        return NotShown(target, keys)
    return replace(proof, made_under=next(iter(keys), None), is_asked=True)


def _check_payment(
    context: Context, target: Target, payment_intent: str, *, cause: Cause, run_id: int | None
) -> PaymentCheck | Application:
    """Compare the payment with Stripe before what belongs to it; what came of it if that was not possible."""
    intent = replace(target, kind=ObjectKind.PAYMENT_INTENT, stripe_id=payment_intent)
    application = apply_snapshot(context, intent, cause=cause, run_id=run_id)
    if not isinstance(application, Applied):
        return application
    is_contradicted = isinstance(application.verdict, Contradicted)
    return PaymentCheck.CONTRADICTED if is_contradicted else PaymentCheck.CURRENT


def _intent(snapshot: Snapshot) -> str | None:
    return None if isinstance(snapshot, PaymentIntentSnapshot) else snapshot.stripe_payment_intent_id


def _apply(
    context: Context,
    target: Target,
    snapshot: Snapshot,
    *,
    cause: Cause,
    payment_check: PaymentCheck,
    run_id: int | None,
    proof: RefundProof,
    further_writes: Callable[[Verdict], Sequence[Write]],
) -> Applied | NoPayment:
    with context.database.begin() as connection:
        payment = payments.lock(connection, target.payment_id)
        if payment is None:
            return NoPayment()
        judgement = judge(
            context,
            connection,
            payment,
            snapshot,
            payment_check=payment_check,
            run_id=run_id,
            proof=proof,
        )
        applied = Applied(judgement.verdict, judgement.before, judgement.left)
        if not isinstance(applied.verdict, Stale | PaymentBehind | AwaitsAttempt | KeyUnknown):
            write(
                connection,
                [*judgement.writes(cause=cause, now=context.clock()), *further_writes(applied.verdict)],
            )
        return applied
