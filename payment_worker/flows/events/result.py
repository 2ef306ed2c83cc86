"""The results of processing an event: codes, each with an explanation."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from payment_worker.domain.explained_code import Code


class Reason(Code):
    """Why an event is finished, or waits: a code, and words for people."""

    CHANGED = "CHANGED", "our record was moved forward"
    UNCHANGED = "UNCHANGED", "nothing new in it"
    CONTRADICTED = "CONTRADICTED", "it contradicts our record: a finding says how"
    BALANCE = "BALANCE", "the balance of its account is imported"
    UNUSED = "UNUSED", "not a type that we use"
    MODE = "MODE", "of the other mode: live and test are kept apart"
    FOREIGN = "FOREIGN", "not one of our payments"
    ABSENT = "ABSENT", "Stripe has no such object, and nothing of ours depends on it"
    UNAVAILABLE = "UNAVAILABLE", "Stripe could not be asked"
    FORBIDDEN = "FORBIDDEN", "Stripe does not let us read the account"
    UNREADABLE = "UNREADABLE", "its object cannot be read"
    OVERTAKEN = "OVERTAKEN", "our record changed each time that its object was fetched"
    EARLY = "EARLY", "its payment does not show the money yet"
    UNANSWERED = "UNANSWERED", "an attempt that has no answer yet may have made its object, or another"
    BROKEN = "BROKEN", "processing it raised an error"
    FATAL = "FATAL", "processing it ended the worker each time"
    ACCOUNT_CORRECTED = "ACCOUNT_CORRECTED", "stored again under the account that its context names"
    REPLAYED = "REPLAYED", "a person had it processed once more"
    DISCARDED = "DISCARDED", "a person set it aside"


def sentence(outcome: str | None) -> str:
    """A stored result, a code and perhaps its detail, for people."""
    code, _, detail = (outcome or "").partition(": ")
    meaning = Reason(code).sentence if code in set(Reason) else code
    return ": ".join(filter(None, (meaning, detail)))


@dataclass(frozen=True, slots=True)
class Processed:
    """Our record contains what the event shows, or a finding says why it cannot."""

    reason: Reason
    is_recorded: bool = False
    """Whether the event was marked as processed in the transaction of its change."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """It is no matter of ours."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Deferred:
    """It cannot be processed now; nothing of it was written."""

    reason: Reason
    detail: str = ""
    counts: bool = True
    """Whether it speaks against the event: after too many such tries it is parked."""
    delay: timedelta | None = None
    """How long to wait, where it is not the ordinary delay."""


Result = Processed | Ignored | Deferred

UNANSWERED: Final = Deferred(Reason.UNANSWERED, counts=False)
"""The attempt comes to an end in any case, and the event is processed by what that was."""
