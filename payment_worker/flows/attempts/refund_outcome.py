"""Records the outcome of a refund attempt."""

from payment_worker.domain.attempts.attempt import AttemptStatus
from payment_worker.domain.attempts.outcome import UnknownReason
from payment_worker.domain.refund import Refund, RefundStatus, RefundTrigger
from payment_worker.domain.refund import next_status as next_refund_status
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.domain.transitions import refunds
from payment_worker.domain.transitions.verdicts import Advanced, Contradicted
from payment_worker.flows.attempts.lifecycle import LockedAttempt
from payment_worker.flows.result import CommandResult
from payment_worker.flows.transitions.apply import judge
from payment_worker.flows.transitions.refunds import refund_writes


def refund_shown(locked: LockedAttempt, snapshot: RefundSnapshot) -> CommandResult:
    """Stripe showed the Refund."""
    payment, refund = locked.payment, _refund(locked)
    cause = locked.cause("answered")
    judgement = judge(locked.context, locked.connection, payment, snapshot, refund=refund)
    writes = judgement.writes(cause=cause, now=locked.now)
    match judgement.verdict:
        case Contradicted(contradiction):
            return locked.reschedule(UnknownReason.CONTRADICTS_RECORD, code=contradiction)
        case Advanced(after, after_refund):
            return locked.finish(
                AttemptStatus.EXECUTED,
                writes,
                after,
                refund=after_refund,
            )
        case _:
            return locked.finish(AttemptStatus.EXECUTED, writes, payment, refund=refund)


def refund_failed(
    locked: LockedAttempt,
    reason: str,
    status: AttemptStatus,
    *,
    cause_name: str,
) -> CommandResult:
    """There is no Refund, and there will be none."""
    payment, refund = locked.payment, _refund(locked)
    cause = locked.cause(cause_name)
    if locked.is_on_record:
        # An update that arrived meanwhile shows it: only a second execution was rejected.
        return locked.reschedule(UnknownReason.SUPERSEDED, code=reason)
    if next_refund_status(refund.status, RefundTrigger.FAILED) is refund.status:
        return locked.finish(status, [], payment, refund=refund, code=reason)
    advanced = refunds.move_refund(payment, refund, RefundStatus.FAILED, failure_reason=reason)
    writes = refund_writes((payment, refund), advanced, cause=cause, now=locked.now)
    return locked.finish(
        status,
        writes,
        advanced.payment,
        refund=advanced.refund,
        code=reason,
    )


def _refund(locked: LockedAttempt) -> Refund:
    assert locked.refund is not None  # noqa: S101 - a CHECK says that a refund's attempt names its refund
    return locked.refund
