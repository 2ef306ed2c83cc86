"""The results of processing an event, as codes with an explanation each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """Why an event is finished, or waits."""

    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    CONTRADICTED = "CONTRADICTED"
    BALANCE = "BALANCE"
    UNUSED = "UNUSED"
    MODE = "MODE"
    FOREIGN = "FOREIGN"
    ABSENT = "ABSENT"
    UNAVAILABLE = "UNAVAILABLE"
    FORBIDDEN = "FORBIDDEN"
    UNREADABLE = "UNREADABLE"
    OVERTAKEN = "OVERTAKEN"
    EARLY = "EARLY"
    UNANSWERED = "UNANSWERED"
    BROKEN = "BROKEN"
    FATAL = "FATAL"
    ACCOUNT_CORRECTED = "ACCOUNT_CORRECTED"
    REPLAYED = "REPLAYED"
    DISCARDED = "DISCARDED"


SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Reason.CHANGED: "our record was moved forward",
        Reason.UNCHANGED: "nothing new in it",
        Reason.CONTRADICTED: "it contradicts our record: a finding says how",
        Reason.BALANCE: "the balance of its account is imported",
        Reason.UNUSED: "not a type that we use",
        Reason.MODE: "of the other mode: live and test are kept apart",
        Reason.FOREIGN: "not one of our payments",
        Reason.ABSENT: "Stripe has no such object, and nothing of ours depends on it",
        Reason.UNAVAILABLE: "Stripe could not be asked",
        Reason.FORBIDDEN: "Stripe does not let us read the account",
        Reason.UNREADABLE: "its object cannot be read",
        Reason.OVERTAKEN: "our record changed each time that its object was fetched",
        Reason.EARLY: "its payment does not show the money yet",
        Reason.UNANSWERED: "an attempt that has no answer yet may have made its object, or another",
        Reason.BROKEN: "processing it raised an error",
        Reason.FATAL: "processing it ended the worker each time",
        Reason.ACCOUNT_CORRECTED: "stored again under the account that its context names",
        Reason.REPLAYED: "a person had it processed once more",
        Reason.DISCARDED: "a person set it aside",
    }
)


def sentence(outcome: str | None) -> str:
    """A stored result, a code and perhaps its detail, for people."""
    code, _, detail = (outcome or "").partition(": ")
    return ": ".join(filter(None, (SENTENCES.get(code, code), detail)))


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
