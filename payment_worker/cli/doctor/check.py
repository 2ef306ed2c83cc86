"""The result of one doctor check: its level, what was found, and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ACCOUNT: Final = "stripe account"
"""The check that comes before all others where it fails: nothing is sent to Stripe then."""


class Verdict(StrEnum):
    """How bad it is."""

    FINE = "fine"
    NOTE = "note"
    """Somebody should know; nothing is broken."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    says: str
    remedy: str | None = None
    """What to do; always there unless it is fine."""
    ids: Sequence[str] = ()
    """The oldest rows that it is about: payments, refunds, events, findings or requests."""
    shown_by: str | None = None
    """The command that shows each of them."""


def fine(name: str, says: str) -> Check:
    """It is as it should be."""
    return Check(name=name, verdict=Verdict.FINE, says=says)


def note(name: str, says: str, *, remedy: str, ids: Sequence[str] = (), shown_by: str | None = None) -> Check:
    """It works, and somebody should know."""
    return Check(name=name, verdict=Verdict.NOTE, says=says, remedy=remedy, ids=ids, shown_by=shown_by)


def problem(
    name: str, says: str, *, remedy: str, ids: Sequence[str] = (), shown_by: str | None = None
) -> Check:
    """It is broken, or about to be."""
    return Check(name=name, verdict=Verdict.PROBLEM, says=says, remedy=remedy, ids=ids, shown_by=shown_by)
