"""Making a new attempt, ready to be stored before anything is sent."""

from datetime import datetime
from uuid import UUID

from payment_worker.domain.attempt import Action, Attempt, AttemptStatus
from payment_worker.domain.records import Payment
from payment_worker.flows.world import World
from payment_worker.gateway.requests import Request
from payment_worker.store import attempts


def new_attempt(
    world: World,
    payment: Payment,
    request: Request,
    *,
    action: Action,
    now: datetime,
    refund_id: UUID | None = None,
    number: int = 1,
    request_id: UUID | None = None,
) -> Attempt:
    """An attempt under a key of its own, leased to us. Its id comes from the database."""
    leased_until = now + world.policy.lease
    return Attempt(
        attempt_id=0,
        payment_id=payment.payment_id,
        refund_id=refund_id,
        number=number,
        action=action,
        path=request.path,
        parameters=request.parameters,
        idempotency_key=attempts.key(refund_id or payment.payment_id, action, number, request_id=request_id),
        status=AttemptStatus.OPEN,
        doubt=None,
        first_sent_at=now,
        sent_until=leased_until,
        tries=0,
        lease_token=1,
        leased_until=leased_until,
        basis=payment.version,
        unsent=True,
        request_id=request_id,
    )
