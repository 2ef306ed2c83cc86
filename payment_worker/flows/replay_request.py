"""Replays a rejected request: enqueues it again with its stored arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from payment_worker.contracts import requests
from payment_worker.domain.explained_code import Code
from payment_worker.store import operator_actions, rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.operator_actions import ActionKind
from payment_worker.store.rejected_requests import RejectedRequest

MODELS: Final[Mapping[str, type[requests.Request]]] = {
    "payment_worker.charge": requests.ChargeRequest,
    "payment_worker.adopt": requests.AdoptRequest,
    "payment_worker.capture": requests.CaptureRequest,
    "payment_worker.cancel": requests.CancelRequest,
    "payment_worker.retry_charge": requests.RetryChargeRequest,
    "payment_worker.refund": requests.RefundRequest,
    "payment_worker.receive_stripe_event": requests.StripeEventRequest,
    "payment_worker.fetch_stripe_event": requests.FetchEventRequest,
    "payment_worker.reconcile": requests.ReconcileRequest,
    "payment_worker.import_balance": requests.ImportBalanceRequest,
}
"""Tasks with arguments from callers, with the model that validates them before they are enqueued again."""


class Obstacle(Code):
    """Why a request is not enqueued again: a code, and words for people."""

    NOT_FOUND = "not_found", "no rejected request has this id"
    MASKED = (
        "masked",
        "its arguments were masked when it was stored: the app that sent it has to send it again",
    )
    NO_SUCH_TASK = "no_such_task", "this version has no such task for apps"
    STILL_WRONG = "still_wrong", "it would be rejected again"


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """It was not sent again."""

    obstacle: Obstacle
    detail: str = ""

    @property
    def sentence(self) -> str:
        """Why, for people."""
        return ": ".join(filter(None, (self.obstacle.sentence, self.detail)))


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of enqueueing a request again."""

    request_id: UUID
    message_id: UUID
    by: str
    is_new: bool
    """False: it had been sent again before, and was not now."""


Send = Callable[[RejectedRequest, UUID], None]
"""Enqueues a request under the id of its new message."""


def replay_request(
    connection: Connection, request_id: UUID, *, send: Send, reason: str = "", actor: str, now: datetime
) -> Replayed | NotReplayed:
    """Send a request again, unless it was before, or something stands in the way."""
    request = rejected_requests.lock(connection, request_id)
    if request is None:
        return NotReplayed(Obstacle.NOT_FOUND)
    message_id = uuid5(request.request_id, "replay")
    if request.replayed_at:
        return Replayed(request.request_id, message_id, str(request.replayed_by), is_new=False)
    if obstacle := obstacle_of(request):
        return obstacle
    # Sent before the commit: a crash in between sends it once more, under the same id, which is harmless.
    send(request, message_id)
    rejected_requests.record_replay(connection, request.request_id, actor=actor, now=now)
    operator_actions.record(
        connection, ActionKind.REQUEST_REPLAYED, [request.request_id], reason=reason, actor=actor, now=now
    )
    return Replayed(request.request_id, message_id, actor, is_new=True)


def obstacle_of(request: RejectedRequest) -> NotReplayed | None:
    """What stands in the way of sending a request again."""
    if not request.is_complete:
        return NotReplayed(Obstacle.MASKED)
    if request.task not in MODELS:
        return NotReplayed(Obstacle.NO_SUCH_TASK, request.task)
    try:
        requests.parse(MODELS[request.task], request.arguments)
    except requests.InvalidRequest as invalid:
        return NotReplayed(Obstacle.STILL_WRONG, str(invalid))
    return None
