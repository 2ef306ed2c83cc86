"""Refusing what was asked about a payment: kept beside the malformed requests, and the payment stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payment_worker.contracts.masking import masked
from payment_worker.domain.attempt import Action
from payment_worker.store import rejected_requests
from payment_worker.store.database import Connection
from payment_worker.telemetry import logger

log = logger(__name__)

TASKS: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.CAPTURE: "payment_worker.capture",
        Action.CANCEL: "payment_worker.cancel",
        Action.RETRY: "payment_worker.retry_charge",
    }
)


@dataclass(frozen=True, slots=True)
class RejectedRequest:
    """What was asked for and cannot be."""

    action: Action
    payment_id: UUID
    arguments: Mapping[str, object]
    reason: str
    """A `RejectionReason`, or Stripe's code."""

    def kept(self) -> Mapping[str, object]:
        """Its arguments as they are kept, masked."""
        return {
            "payment_id": str(self.payment_id),
            **{name: masked(value) for name, value in self.arguments.items()},
        }


def rejected_before(connection: Connection, refused: RejectedRequest, *, request_id: UUID) -> str | None:
    """Why the same request of the same message was refused before, if it was."""
    return rejected_requests.first_code(
        connection, request_id=request_id, task=TASKS[refused.action], arguments=refused.kept()
    )


def keep_rejected(
    connection: Connection, refused: RejectedRequest, *, request_id: UUID, now: datetime
) -> None:
    """Keep the request and why it was refused; the same message again is kept once."""
    field = "amount" if "amount" in refused.reason else "payment_id"
    message = f"names a payment that does not allow it now: {refused.reason}"
    if field == "amount":
        message = f"cannot be captured: {refused.reason}"
    rejected_requests.keep(
        connection,
        request_id=request_id,
        task=TASKS[refused.action],
        arguments=refused.kept(),
        errors=[{"field": field, "code": refused.reason, "message": message}],
        now=now,
    )
    log.warning(
        "request is refused",
        task=TASKS[refused.action],
        payment_id=str(refused.payment_id),
        request_id=str(request_id),
        reason=refused.reason,
    )
