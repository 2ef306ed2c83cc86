"""When an object that Stripe does not find counts as absent: the request was never executed, and may be made anew.

It is acted upon only while the clocks agree (`flows/clocks.py`); the delay is `PAYMENT_WORKER_ABSENCE_DELAY`.
"""

from datetime import datetime, timedelta

from payment_worker.domain.attempts.attempt import NOT_SENT_AGAIN, PROVES_EXECUTION, Attempt
from payment_worker.domain.attempts.outcome import UnknownReason


def absence_is_believed(attempt: Attempt, *, call_began_at: datetime, absence_delay: timedelta) -> bool:
    """Whether “not found” at this instant proves that the request was never executed.

    It does once no request that was sent can still be in progress.
    """
    return (
        attempt.unknown_reason not in PROVES_EXECUTION and call_began_at - attempt.sent_until >= absence_delay
    )


def resume_after(attempt: Attempt, *, absence_delay: timedelta) -> str | None:
    """The object after which a look-up continues; None if it has to begin at the top of the list.

    The part that was read counts only if nothing can have been created in it since: each run began when no request
    could be in progress, and none was sent after it. Otherwise the attempt's object may be above this position.
    """
    lookup_progress = attempt.lookup_progress
    if lookup_progress is None or not absence_is_believed(
        attempt, call_began_at=lookup_progress.at, absence_delay=absence_delay
    ):
        return None
    return lookup_progress.after


def unknown_reason_after_absence(unknown_reason: UnknownReason | None) -> UnknownReason:
    """The reason for which the outcome stays unknown after a look-up that found nothing and proves nothing yet.

    After a fresh 5xx the same request may be sent again: it executes, or Stripe replays what it stored. A replay
    proves that sending again is useless.
    """
    return unknown_reason if unknown_reason in NOT_SENT_AGAIN else UnknownReason.NOT_FOUND_YET
