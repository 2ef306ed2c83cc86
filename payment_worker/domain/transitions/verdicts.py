"""The possible results of comparing a snapshot with our record: apply it, ignore it, or report a contradiction."""

from dataclasses import dataclass
from enum import StrEnum

from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund


class Contradiction(StrEnum):
    """How a snapshot can contradict our record in a way that no transition explains."""

    ANOTHER_PAYMENT_INTENT = "another_payment_intent"
    ANOTHER_REFUND = "another_refund"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    FEE_DIFFERS = "fee_differs"
    """Another application fee, or another transfer, than was requested (Connect)."""
    NOT_REVERSED = "not_reversed"
    """A refund did not take back what it was to take back of a transfer (Connect)."""
    STATUS_DIFFERS = "status_differs"
    """The state that Stripe shows, or ours, is one that is never left."""
    EXISTS_AFTER_ALL = "exists_after_all"
    """A refund that we had recorded as failed."""
    NOT_PROVEN = "not_proven"
    """An object names ours in its metadata without our MAC."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The record as it must be written now; for a refund, the payment's row beside it."""

    payment: Payment
    refund: Refund | None = None
    contradiction: Contradiction | None = None
    """A contradiction for an operator although the snapshot is recorded, such as too large an amount captured."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The snapshot may be older than our record: the object must be retrieved again."""


@dataclass(frozen=True, slots=True)
class PaymentBehind:
    """The payment's row does not show the money that is refunded or disputed: the payment must be refreshed first."""


@dataclass(frozen=True, slots=True)
class AwaitsAttempt:
    """An attempt without an outcome may have created the object: nothing is recorded until its key is known."""


@dataclass(frozen=True, slots=True)
class KeyUnknown:
    """The metadata are ours but may be a copy: the key of the creating request must be looked up first."""


@dataclass(frozen=True, slots=True)
class Contradicted:
    """Nothing is recorded: an operator has to decide."""

    contradiction: Contradiction


PaymentVerdict = Advanced | Unchanged | Stale | Contradicted
RefundVerdict = Advanced | Unchanged | Stale | PaymentBehind | Contradicted
