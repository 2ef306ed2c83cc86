"""What the parts of a reconciliation share: what a step came to, and how a difference is noted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from payment_worker.domain.discrepancies import (
    Closed,
    Difference,
    FindingKind,
    StripeList,
    closed_account,
    closed_list,
    closures,
    not_shown,
)
from payment_worker.domain.outcome import Delay, Postponed
from payment_worker.flows.context import World
from payment_worker.gateway.lists import LeftOut, Page, Period, payment_intents_page
from payment_worker.store import findings, reconciliation
from payment_worker.store.database import Connection
from payment_worker.store.findings import FindingStatus
from payment_worker.store.history import Cause
from payment_worker.store.runs import Run


class StripeAwayError(Exception):
    """Stripe does not answer now: the run stays where it is and is gone on with later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many objects were compared, and what became of the differences."""

    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    repaired: int = 0
    left_open: int = 0
    closed: int = 0

    def __add__(self, other: Self) -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in Tally.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stride:
    """What comparing a page came to, and where the next one begins."""

    tally: Tally
    matched: Collection[str] = ()
    """Stripe's ids of the objects that were met."""
    cursor: str | None = None
    """None: this part of the run is done."""
    read_back_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What looking at one object once more came to."""

    tally: Tally = Tally()
    left: frozenset[FindingKind] = frozenset()
    """The differences that are still there."""


UNSEEN: Final = frozenset(FindingKind)
"""What is left of an object that nobody lets us see: of no difference is it known that it has gone."""


@dataclass(frozen=True, slots=True)
class Checker:
    """A run at work."""

    world: World
    run: Run
    refused: set[Closed] = field(default_factory=set)
    """What this process was not let read in this run: it asks for nothing more of it."""
    strangers: Collection[str] = ()
    """Accounts on which we know of no payment, and nobody named one: that they are closed is no matter of ours."""

    def cause(self) -> Cause:
        """Why a record changes that the run repairs."""
        return self.world.because("reconciliation", run_id=self.run.run_id)

    def leaves(self, stripe_id: str | None) -> bool:
        """Whether what is in work is left to whoever works on it.

        In a run over a period that a person named, it is not while we know no object of Stripe's for it. Where a
        database was restored to an older point, its owner would look for what was made too early, or make it again.
        """
        return self.run.is_scheduled or stripe_id is not None

    def note(self, connection: Connection, difference: Difference, status: FindingStatus) -> Tally:
        """Note a difference in the transaction that is open."""
        findings.note(connection, difference, status=status, run_id=self.run.run_id, now=self.world.clock())
        is_open = status is FindingStatus.OPEN
        return Tally(left_open=int(is_open), repaired=int(not is_open))

    def is_refused(self, of: StripeList, *, account: str | None) -> bool:
        """Whether it is known that nothing is shown of this."""
        return not self.refused.isdisjoint(closures(of, stripe_account=account))

    def left(self, connection: Connection, difference: Difference) -> Examined:
        """Note a difference that is left for a person, in the transaction that is open."""
        tally = self.note(connection, difference, FindingStatus.OPEN)
        return Examined(tally, frozenset({difference.kind}))

    def unseen(self, answer: object, of: StripeList, *, account: str | None) -> Examined:
        """Note that a connected account, or this list of it, is closed to us, if this answer shows nothing for that.

        One account that was disconnected, or that a caller mistyped, may not stop the run for all others; nor may
        what a restricted key must not read stop it for all else.

        Raises:
            StripeAwayError: it is for another reason: then the run waits.
        """
        because = _refusal(answer)
        closed = closed_list(of, stripe_account=account)
        if account and (of is StripeList.PAYMENT_INTENTS or not self._shows_payments(account)):
            closed = closed_account(account)
        self.refused.add(closed)
        if account in self.strangers:
            return Examined(left=UNSEEN)
        hidden = not_shown(closed, stripe_account=account, because=because)
        with self.world.database.begin() as connection:
            return Examined(self.note(connection, hidden, FindingStatus.OPEN), UNSEEN)

    def _shows_payments(self, account: str) -> bool:
        """Whether an account is open to us for all that a list of it is not."""
        asked = Period(since=self.world.clock())
        page = payment_intents_page(self.world.stripe, asked, after=None, account=account)
        if isinstance(page, Page):
            return True
        _refusal(page)
        return False

    def unreadable(
        self, kind: FindingKind, object_id: str, *, payment_id: UUID | None, account: str | None
    ) -> Examined:
        """Note that an object of a payment cannot be read, of which nothing else can be said then."""
        shape = Difference(
            kind=kind,
            object_id=object_id,
            stripe_account=account,
            payment_id=payment_id,
            detail={"ours": None, "theirs": "cannot be read"},
        )
        with self.world.database.begin() as connection:
            return Examined(self.note(connection, shape, FindingStatus.OPEN), UNSEEN)

    def left_out(self, kind: FindingKind, objects: Sequence[LeftOut]) -> Tally:
        """Note those objects of a page that cannot be read and are of a payment of ours; others are not our matter."""
        if not objects:
            return Tally()
        intents = {each.object_id: each.stripe_payment_intent_id or each.object_id for each in objects}
        with self.world.database.begin() as connection:
            known = reconciliation.known_payments(connection, payment_intents=set(intents.values()))
        owners = {each.payment.stripe_payment_intent_id: each.payment for each in known}
        tally = Tally()
        for object_id, intent in intents.items():
            if owner := owners.get(intent):
                examined = self.unreadable(
                    kind, object_id, payment_id=owner.payment_id, account=owner.stripe_account
                )
                tally += examined.tally
        return tally


def _refusal(answer: object) -> Delay:
    """The refusal that this answer is; StripeAwayError if it is another."""
    if isinstance(answer, Postponed) and answer.delay is Delay.ACCESS_REFUSED:
        return answer.delay
    raise StripeAwayError
