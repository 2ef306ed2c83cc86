"""The life of an attempt: one request to Stripe under one idempotency key, what to do with it next, and when.

While an attempt is unfinished it blocks every other attempt on its payment or refund. Its `next_action_at` is
its owner's lease while somebody works on it, and the time of the next try otherwise; whoever claims it raises
`lease_token`, and a write under an older token is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from payment_worker.domain.outcome import UnknownReason


class AttemptStatus(StrEnum):
    """The states of an attempt. All but OPEN and UNKNOWN are final."""

    OPEN = "OPEN"
    UNKNOWN = "UNKNOWN"
    EXECUTED = "EXECUTED"
    DECLINED = "DECLINED"
    REFUSED = "REFUSED"
    ABSENT = "ABSENT"


UNFINISHED = frozenset({AttemptStatus.OPEN, AttemptStatus.UNKNOWN})


class Action(StrEnum):
    """What an attempt asks of Stripe."""

    CHARGE = "charge"
    REFUND = "refund"
    CAPTURE = "capture"
    CANCEL = "cancel"
    RETRY = "retry"
    """Another try to charge, after a decline: the same PaymentIntent is confirmed again."""


ON_EXISTING = frozenset({Action.CAPTURE, Action.CANCEL, Action.RETRY})
"""Actions on a PaymentIntent that is there already: what came of them is seen by its id."""


@dataclass(frozen=True, slots=True)
class LookupProgress:
    """How far down a list, newest first, what an attempt made was looked for, by rounds that could prove absence."""

    at: datetime
    """When the round that came so far began."""
    after: str
    """The last object that it read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An unfinished attempt as its owner holds it."""

    attempt_id: int
    payment_id: UUID
    refund_id: UUID | None
    number: int
    action: Action
    path: str
    parameters: str
    """JSON text, byte for byte what was stored when the key was made."""
    idempotency_key: str
    status: AttemptStatus
    unknown_reason: UnknownReason | None
    first_sent_at: datetime
    sent_until: datetime
    """No request of it was sent after this instant: the lease's end while its owner may still be sending."""
    stripe_sent_at: datetime | None = None
    """By Stripe's clock, when it was first sent; None where no answer had told its time yet."""
    tries: int
    """Rounds in a row that ended without an outcome."""
    lease_token: int
    leased_until: datetime
    as_of_version: int
    """The version of the payment's row when the attempt was claimed."""
    never_sent: bool = False
    """Whether it is certain that nothing of it was ever sent, so that its key has no age yet."""
    request_id: UUID | None = None
    """The message that asked for it, where the request has no other id: the same one again asks for nothing."""
    lookup_progress: LookupProgress | None = None
    """Set while a look goes on that one round could not bring to its end."""
    stripe_request_id: str | None = None
    """Stripe's id of the request that its owner sent and that was not answered well: its support asks for it."""


class Step(StrEnum):
    """What to do with an unfinished attempt."""

    SEND = "send"
    LOOK_UP = "look_up"


PROVES_EXECUTION = frozenset({UnknownReason.KEY_MISMATCH, UnknownReason.CONTRADICTS_RECORD})
"""Doubts that prove that something was executed, so that “not found” is never believed. A person has to look."""

NOT_SENT_AGAIN = frozenset(
    {UnknownReason.REPLAYED_SERVER_ERROR, UnknownReason.REJECTED_LATER, *PROVES_EXECUTION}
)
"""Doubts that sending again does not settle: the same answer would come."""

LOOKUP_FIRST = frozenset({UnknownReason.SERVER_ERROR, UnknownReason.SUPERSEDED, *NOT_SENT_AGAIN})
"""Doubts that are met by looking first: Stripe may have stored a 5xx, and replays it as long as it keeps the key."""


def unknown_reason_after_absence(unknown_reason: UnknownReason | None) -> UnknownReason:
    """What is in doubt once a look-up found nothing that can be believed yet.

    After a fresh 5xx the same request may be sent again: it executes, or Stripe replays what it stored.
    A replay proves that sending is of no use any more.
    """
    return unknown_reason if unknown_reason in NOT_SENT_AGAIN else UnknownReason.NOT_FOUND_YET


def next_step(attempt: Attempt, *, now: datetime, key_safe_age: timedelta) -> Step:
    """Send again under the same key while Stripe surely remembers it; after that, only look."""
    if attempt.never_sent:
        return Step.SEND
    if attempt.unknown_reason in LOOKUP_FIRST or now - attempt.first_sent_at >= key_safe_age:
        return Step.LOOK_UP
    return Step.SEND


def absence_is_believed(attempt: Attempt, *, asked_at: datetime, absence_delay: timedelta) -> bool:
    """Whether “not found”, asked at this instant, proves that the request was never executed.

    It does once no request that was sent can still be on its way.
    """
    return attempt.unknown_reason not in PROVES_EXECUTION and asked_at - attempt.sent_until >= absence_delay


def resume_after(attempt: Attempt, *, absence_delay: timedelta) -> str | None:
    """The object after which a look goes on; None where it has to begin at the top of the list.

    What was read stays read only if nothing can have come to it since: each round began when no request could be on
    its way any more, and none was sent after it. Otherwise what it made may stand above this place.
    """
    lookup_progress = attempt.lookup_progress
    if lookup_progress is None or not absence_is_believed(
        attempt, asked_at=lookup_progress.at, absence_delay=absence_delay
    ):
        return None
    return lookup_progress.after
