"""The ledger postings of changes of our own payments, refunds and disputes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payment_worker.domain.dispute import BLOCKING
from payment_worker.domain.ledger.double_entry import LedgerAccount, Posting, present
from payment_worker.domain.payment import CAPTURING
from payment_worker.domain.refund import RefundStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """One change of the state of a payment, a refund or a dispute, as the history has it."""

    history_id: int
    payment_id: UUID
    refund_id: UUID | None = None
    stripe_dispute_id: str | None = None
    from_status: str | None
    to_status: str
    object_id: str
    """Stripe's id of the PaymentIntent, Refund or dispute."""
    amount: int
    """Of a payment, what was captured since the change before; of a refund or dispute, all of it."""
    currency: str
    stripe_account: str
    recorded_at: datetime


MOVED: Final[Mapping[LedgerAccount, frozenset[str]]] = MappingProxyType(
    {
        # Stripe takes a refund's amount when it accepts it, not when the bank has it.
        LedgerAccount.REFUNDS: frozenset({RefundStatus.PENDING, RefundStatus.PROCESSED}),
        LedgerAccount.DISPUTES: frozenset(BLOCKING),
    }
)
"""The states of refunds and disputes in which their money is expected to have moved."""


def post_change(change: RecordChange) -> tuple[Posting, ...]:
    """What a change of our record posts: nothing where it moves no money."""
    account = _account_of(change)
    if account is LedgerAccount.SALES:
        owed = change.amount if change.to_status in CAPTURING else 0
    else:
        direction = (change.to_status in MOVED[account]) - (change.from_status in MOVED[account])
        owed = -change.amount * direction
    return present(
        (
            Posting(
                ledger_account=LedgerAccount.CUSTOMERS,
                currency=change.currency,
                amount=owed,
                object_id=change.object_id,
            ),
            Posting(ledger_account=account, currency=change.currency, amount=-owed),
        )
    )


def _account_of(change: RecordChange) -> LedgerAccount:
    if change.stripe_dispute_id is not None:
        return LedgerAccount.DISPUTES
    return LedgerAccount.SALES if change.refund_id is None else LedgerAccount.REFUNDS
