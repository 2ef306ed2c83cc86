"""Retries a request to Stripe within one task run: with jitter, only where safe, within a time budget."""

from collections.abc import Callable
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_result, wait_random_exponential

from payment_worker.domain.attempts.outcome import Delay, Outcome, Postponed, Unanswered, UnknownReason
from payment_worker.telemetry.metrics import REPEATED_REQUESTS
from payment_worker.telemetry.recorder import count

REPEATED: Final = frozenset(
    {
        UnknownReason.NO_ANSWER,
        UnknownReason.TRUNCATED_ANSWER,
        Delay.KEY_IN_USE,
        Delay.RATE_LIMITED,
        Delay.OBJECT_LOCKED,
    }
)
"""Failures that may pass within seconds. A 5xx is not one: Stripe may have stored it and would only replay it."""

Seconds = Callable[[], float]
"""How many seconds are left in which a call may still begin."""


def with_retries(call: Callable[[], Outcome], *, time_left: Seconds, call_seconds: float) -> Outcome:
    """Call until the outcome cannot be improved by a retry, or no time is left for another call.

    If a call got no response, its outcome stays unknown even if a later one was not executed.
    """
    first = call()
    # Nearly every call ends here, without tenacity: its state alone costs 1 to 5 % of a child's CPU.
    return _repeated(first, call, time_left, call_seconds) if _may_pass(first) else first


def _repeated(
    first: Outcome, call: Callable[[], Outcome], time_left: Seconds, call_seconds: float
) -> Outcome:
    made = [first]
    last_unanswered: Unanswered | None = None

    def call_and_remember(*_: object) -> Outcome:
        nonlocal last_unanswered
        outcome = made.pop() if made else call()
        if isinstance(outcome, Unanswered):
            last_unanswered = outcome
        return outcome

    outcome: Outcome = _RETRYING(call_and_remember, time_left, call_seconds)
    return last_unanswered if last_unanswered and isinstance(outcome, Postponed) else outcome


def _is_out_of_time(state: RetryCallState) -> bool:
    """Whether a further call, after its wait, could not end before the time is up."""
    time_left, call_seconds = state.args
    return bool(time_left() < state.upcoming_sleep + call_seconds)


def _may_pass(outcome: Outcome) -> bool:
    match outcome:
        case Unanswered(unknown_reason=reason) | Postponed(delay=reason):
            return reason in REPEATED
        case _:
            return False


def _count_retry(state: RetryCallState) -> None:
    match _last_outcome(state):
        case Unanswered(unknown_reason=reason) | Postponed(delay=reason):
            count(REPEATED_REQUESTS, reason)


def _last_outcome(state: RetryCallState) -> Outcome:
    # tenacity stops only after a call, so there is an outcome.
    outcome: Outcome = state.outcome.result()  # type: ignore[union-attr]
    return outcome


_RETRYING: Final = Retrying(
    stop=_is_out_of_time,
    wait=wait_random_exponential(multiplier=0.2, max=5),
    retry=retry_if_result(_may_pass),
    retry_error_callback=_last_outcome,
    before_sleep=_count_retry,
)
"""For all calls: what it knows of one is the thread's own."""
