"""Rejects a request: stores it with its errors and publishes RequestRejected, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

from payment_worker.contracts import messages
from payment_worker.contracts.masking import masked
from payment_worker.domain.attempts.attempt import Action
from payment_worker.domain.uuids import as_uuid
from payment_worker.store import rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.outbox import message_row
from payment_worker.store.rejected_requests import RejectedRequest
from payment_worker.store.statements import write
from payment_worker.telemetry import logger

log = logger(__name__)

TASKS: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.CAPTURE: "payment_worker.capture",
        Action.CANCEL: "payment_worker.cancel",
        Action.RETRY: "payment_worker.retry_charge",
    }
)

LONGEST_ID: Final = 255
"""As long as an id of an app's may be."""


def keep_rejected(
    connection: Connection,
    *,
    request_id: UUID,
    task: str,
    arguments: Mapping[str, object],
    errors: Sequence[Mapping[str, str]],
    now: datetime,
) -> None:
    """Store a request that cannot be run, masked, and publish it; the same message is stored and published once."""
    masked_arguments = cast("Mapping[str, object]", masked(dict(arguments)))
    request = RejectedRequest(
        request_id=request_id,
        task=task,
        arguments=masked_arguments,
        errors=errors,
        ids=[str(request_id), *_ids(arguments, masked_arguments)],
        is_complete=masked_arguments == arguments,
        received_at=now,
    )
    if identity := rejected_requests.keep(connection, request):
        _publish_rejection(connection, identity, request)


def _ids(arguments: Mapping[str, object], masked_arguments: Mapping[str, object]) -> Iterator[str]:
    """The ids among the arguments, by which the request can be found; a UUID also as PostgreSQL writes it."""
    for name, value in arguments.items():
        is_id = (
            isinstance(value, str) and 0 < len(value) <= LONGEST_ID and masked_arguments.get(name) == value
        )
        if is_id and (name.endswith("_id") or name in {"payment_intent", "stripe_account"}):
            yield str(value)
            if (uuid := as_uuid(value)) and str(uuid) != value:
                yield str(uuid)


def _publish_rejection(connection: Connection, identity: UUID, request: RejectedRequest) -> None:
    payment_id, order_id = as_uuid(request.arguments.get("payment_id")), request.arguments.get("order_id")
    rejected = messages.RequestRejected(
        request_id=identity,
        task=request.task,
        payment_id=payment_id,
        refund_id=as_uuid(request.arguments.get("refund_id")),
        order_id=order_id if isinstance(order_id, str) and order_id in request.ids else None,
        errors=[{"field": each["field"], "message": each["message"]} for each in request.errors],
        rejected_at=request.received_at,
    )
    row = message_row(
        rejected, payment_id=payment_id or identity, subject=identity, version=1, now=request.received_at
    )
    write(connection, [row])


@dataclass(frozen=True, slots=True)
class RejectedChange:
    """A change that the payment's status does not allow."""

    action: Action
    payment_id: UUID
    arguments: Mapping[str, object]
    reason: str
    """A `RejectionReason`, or Stripe's code."""

    def kept(self) -> Mapping[str, object]:
        """Its arguments as they are stored, masked."""
        return cast("Mapping[str, object]", masked(self.given()))

    def given(self) -> dict[str, object]:
        """Its arguments as they came."""
        return {"payment_id": str(self.payment_id), **self.arguments}


def rejected_before(connection: Connection, change: RejectedChange, *, request_id: UUID) -> str | None:
    """Why the same request of the same message was rejected before, if it was."""
    return rejected_requests.first_code(
        connection, request_id=request_id, task=TASKS[change.action], arguments=change.kept()
    )


def reject_change(connection: Connection, change: RejectedChange, *, request_id: UUID, now: datetime) -> None:
    """Store the request and why the payment does not allow it, and publish it; the payment stays unchanged."""
    field = "amount" if "amount" in change.reason else "payment_id"
    message = f"names a payment that does not allow it now: {change.reason}"
    if field == "amount":
        message = f"cannot be captured: {change.reason}"
    keep_rejected(
        connection,
        request_id=request_id,
        task=TASKS[change.action],
        arguments=change.given(),
        errors=[{"field": field, "code": change.reason, "message": message}],
        now=now,
    )
    log.warning(
        "request rejected",
        task=TASKS[change.action],
        payment_id=str(change.payment_id),
        request_id=str(request_id),
        reason=change.reason,
    )
