"""Tasks about payments."""

from collections.abc import Mapping
from typing import Any

from celery import Task

from payment_worker.celery import app
from payment_worker.contracts.requests import ChargeRequest
from payment_worker.flows.charge import charge as charge_flow
from payment_worker.flows.perform import take_handed
from payment_worker.tasks.obeying import obey, parsed, unless_unavailable, world


@app.task(bind=True, name="payment_worker.charge", typing=False)
def charge(self: Task, *args: object, **kwargs: object) -> Mapping[str, str | None]:
    """Charge a payment method, once for each `payment_id`."""
    request = parsed(self, ChargeRequest, args, kwargs)
    return obey(self, unless_unavailable(self, lambda: charge_flow(world(self), request)), kwargs)


@app.task(bind=True, name="payment_worker.perform", typing=False)
def perform(self: Task, *, attempt_id: int, lease_token: int, **_newer: object) -> Mapping[str, Any]:
    """Go on with an attempt that `resume_stalled` handed out."""
    answer = unless_unavailable(self, lambda: take_handed(world(self), attempt_id, lease_token=lease_token))
    return answer.as_result() if answer else {"attempt_id": attempt_id, "status": "in other hands"}
