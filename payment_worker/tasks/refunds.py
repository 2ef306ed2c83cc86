"""Tasks about refunds."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from celery import Task

from payment_worker.celery import app
from payment_worker.contracts.requests import FieldError, RefundRequest
from payment_worker.flows.answer import NoSuchPayment
from payment_worker.flows.refund import continue_refund
from payment_worker.flows.refund import refund as refund_flow
from payment_worker.tasks.obeying import obey, parsed, refuse, unless_unavailable, world
from payment_worker.tasks.overtaking import Lack, is_patient, look_again
from payment_worker.tasks.room import charge_may_come


@app.task(bind=True, name="payment_worker.refund", typing=False)
def refund(self: Task, *args: object, **kwargs: object) -> Mapping[str, str | None]:
    """Refund a payment or a part of it, once for each `refund_id`."""
    request = parsed(self, RefundRequest, args, kwargs)
    answer = unless_unavailable(self, lambda: refund_flow(world(self), request))
    if isinstance(answer, NoSuchPayment):
        if is_patient(self, Lack.PAYMENT) or charge_may_come(request.payment_id):
            look_again(self, Lack.PAYMENT)
        refuse(self, kwargs, [FieldError("payment_id", "unknown_payment", "names no payment that we know")])
    return obey(self, answer, kwargs)


@app.task(bind=True, name="payment_worker.continue_refund", typing=False)
def continue_waiting(self: Task, *, refund_id: str, **_newer: object) -> Mapping[str, Any]:
    """Look again at a refund that waits for its payment."""
    answer = unless_unavailable(self, lambda: continue_refund(world(self), UUID(refund_id)))
    return answer.as_result() if answer else {"refund_id": refund_id, "status": "not waiting"}
