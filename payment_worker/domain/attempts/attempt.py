"""The lifecycle of an attempt: one request to Stripe under one idempotency key, the next action, and its time.

While an attempt is unfinished it blocks every other attempt on its payment or refund. Its `next_action_at` is the end
of its owner's lease while a worker executes it, and the time of the next run otherwise; claiming it increments
`lease_token`, and a write under an older token is rejected.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from payment_worker.domain.attempts.outcome import UnknownReason


class AttemptStatus(StrEnum):
    """The statuses of an attempt. All but OPEN and UNKNOWN are final."""

    OPEN = "OPEN"
    UNKNOWN = "UNKNOWN"
    EXECUTED = "EXECUTED"
    DECLINED = "DECLINED"
    REFUSED = "REFUSED"
    ABSENT = "ABSENT"


UNFINISHED = frozenset({AttemptStatus.OPEN, AttemptStatus.UNKNOWN})


class Action(StrEnum):
    """What an attempt requests of Stripe."""

    CHARGE = "charge"
    REFUND = "refund"
    CAPTURE = "capture"
    CANCEL = "cancel"
    RETRY = "retry"
    """Another charge attempt after a decline: the same PaymentIntent is confirmed again."""


ON_EXISTING = frozenset({Action.CAPTURE, Action.CANCEL, Action.RETRY})
"""Actions on an existing PaymentIntent: their outcome is looked up by its id."""


@dataclass(frozen=True, slots=True)
class LookupProgress:
    """How far down a list, newest first, an attempt's object was searched for by runs that could prove its absence."""

    at: datetime
    """When the run that came so far began."""
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
    """JSON text, byte for byte as it was stored with the key."""
    idempotency_key: str
    status: AttemptStatus
    unknown_reason: UnknownReason | None
    first_sent_at: datetime
    sent_until: datetime
    """No request of it was sent after this instant: the lease's end while its owner may still be sending."""
    stripe_sent_at: datetime | None = None
    """When it was first sent, by Stripe's clock; None if no response had carried the time yet."""
    tries: int
    """Consecutive runs that ended without an outcome."""
    lease_token: int
    leased_until: datetime
    as_of_version: int
    """The version of the payment's row when the attempt was claimed."""
    never_sent: bool = False
    """Whether it is certain that nothing of it was ever sent, so that its key has no age yet."""
    request_id: UUID | None = None
    """Id of the message that requested it, for requests without an id of their own: identifies redeliveries."""
    lookup_progress: LookupProgress | None = None
    """Set while a look-up has to continue in another run."""
    stripe_request_id: str | None = None
    """Stripe's id of the last request without a final response, for Stripe's support."""


class Step(StrEnum):
    """What to do with an unfinished attempt."""

    SEND = "send"
    LOOK_UP = "look_up"


PROVES_EXECUTION = frozenset({UnknownReason.KEY_MISMATCH, UnknownReason.CONTRADICTS_RECORD})
"""Reasons that prove that a request was executed: the object never counts as absent. An operator has to decide."""

NOT_SENT_AGAIN = frozenset(
    {UnknownReason.REPLAYED_SERVER_ERROR, UnknownReason.REJECTED_LATER, *PROVES_EXECUTION}
)
"""Reasons for which sending again is useless: Stripe would give the same response."""

LOOKUP_FIRST = frozenset({UnknownReason.SERVER_ERROR, UnknownReason.SUPERSEDED, *NOT_SENT_AGAIN})
"""Reasons for which a look-up comes first: Stripe may have stored a 5xx, and replays it as long as it keeps the key."""


def next_step(attempt: Attempt, *, now: datetime, key_safe_age: timedelta) -> Step:
    """Send again under the same key while Stripe certainly remembers it; after that, only look up."""
    if attempt.never_sent:
        return Step.SEND
    if attempt.unknown_reason in LOOKUP_FIRST or now - attempt.first_sent_at >= key_safe_age:
        return Step.LOOK_UP
    return Step.SEND
