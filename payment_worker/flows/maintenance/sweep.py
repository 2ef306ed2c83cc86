"""The sweep: finds due and abandoned rows and enqueues them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from payment_worker.flows.context import Context
from payment_worker.flows.transitions.payments import WITHOUT_OUTCOME
from payment_worker.store.due_rows import DueRows, claim_rows
from payment_worker.store.events import inbox
from payment_worker.store.records import attempts, automatic_retries, early_fraud_warnings, payments, refunds
from payment_worker.store.records.attempts import DueAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLimits:
    """How many rows of each kind one sweep may claim: `tasks/sweep_limits.py` computes it."""

    attempts: int
    events: int
    waiting_refunds: int
    may_be_followed: bool = False
    """Whether the next sweep may begin before beat enqueues it: the queues of the attempts are at most half full."""

    def is_followed(self, claimed: Sequence[DueAttempt]) -> bool:
        """Whether a sweep that claimed these shall have the next one begin while they are executed."""
        return self.may_be_followed and len(claimed) == self.attempts


@dataclass(frozen=True, slots=True)
class DueWork:
    """The rows that were claimed for the tasks to be enqueued."""

    attempts: Sequence[DueAttempt]
    events: Sequence[inbox.DueEvent]
    """Events that were claimed before."""
    has_new_events: bool
    """Whether events wait that nobody has claimed yet: whoever processes them finds them by themselves."""
    waiting_refunds: Sequence[UUID]


def claim_due(context: Context, limits: SweepLimits) -> DueWork:
    """Claim due work. A task message that gets lost costs one lease, no more; a late one is still valid."""
    now = context.clock()
    until = now + context.policy.lease
    with context.database.begin() as connection:
        due_attempts = attempts.claim_due(connection, now=now, leased_until=until, limit=limits.attempts)
    with context.database.begin() as connection:
        has_new_events = inbox.has_new(connection, now=now)
        due_events = inbox.claim_due(connection, now=now, leased_until=until, limit=limits.events)
    with context.database.begin() as connection:
        waiting_refunds = refunds.claim_waiting(
            connection, waiting_statuses=WITHOUT_OUTCOME, now=now, until=until, limit=limits.waiting_refunds
        )
    return DueWork(due_attempts, due_events, has_new_events, waiting_refunds)


class FollowUp(StrEnum):
    """What the worker does by itself once a row is due."""

    RETRIES = "retries"
    EXPIRED_ACTIONS = "expired_actions"
    ADOPTIONS = "adoptions"
    FRAUD_WARNINGS = "fraud_warnings"


_DUE: Final[Mapping[FollowUp, DueRows]] = {
    FollowUp.RETRIES: automatic_retries.DUE,
    FollowUp.EXPIRED_ACTIONS: payments.EXPIRED_ACTIONS,
    FollowUp.ADOPTIONS: payments.DUE_ADOPTIONS,
    FollowUp.FRAUD_WARNINGS: early_fraud_warnings.DUE,
}

FOLLOW_UPS_A_SWEEP: Final = 100
"""Of each kind: what is left is as due for the next sweep."""


def claim_follow_ups(context: Context, follow_up: FollowUp) -> Sequence[Any]:
    """Claim rows for this follow-up that are due, for one lease; their keys. No warnings while the policy is off."""
    if follow_up is FollowUp.FRAUD_WARNINGS and not context.policy.fraud_refund_within:
        return ()
    now = context.clock()
    with context.database.begin() as connection:
        return claim_rows(
            connection, _DUE[follow_up], now=now, until=now + context.policy.lease, limit=FOLLOW_UPS_A_SWEEP
        )
