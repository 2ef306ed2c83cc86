"""The result of one doctor check: its level, what was found, and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ACCOUNT: Final = "stripe account"
"""If this check fails it is shown first: nothing is sent to Stripe then."""


class Verdict(StrEnum):
    """The severity of a check's result."""

    FINE = "fine"
    NOTE = "note"
    """Works, but an operator should know."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check."""

    name: str
    verdict: Verdict
    says: str
    remedy: str | None = None
    """What to do; set unless the verdict is FINE."""
    ids: Sequence[str] = ()
    """Ids of the oldest rows concerned: payments, refunds, events, findings or requests."""
    shown_by: str | None = None
    """The command that shows such a row."""


def fine(name: str, says: str) -> Check:
    """A check that passed."""
    return Check(name=name, verdict=Verdict.FINE, says=says)


def warning(
    name: str, says: str, *, remedy: str, ids: Sequence[str] = (), shown_by: str | None = None
) -> Check:
    """A check that passed with something an operator should know."""
    return Check(name=name, verdict=Verdict.NOTE, says=says, remedy=remedy, ids=ids, shown_by=shown_by)


def problem(
    name: str, says: str, *, remedy: str, ids: Sequence[str] = (), shown_by: str | None = None
) -> Check:
    """A check that failed."""
    return Check(name=name, verdict=Verdict.PROBLEM, says=says, remedy=remedy, ids=ids, shown_by=shown_by)
