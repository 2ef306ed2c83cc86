"""The task that refunds a payment."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from celery import Task

from payment_worker.celery import app
from payment_worker.contracts.requests import RefundRequest
from payment_worker.flows.commands.refund import continue_refund
from payment_worker.flows.commands.refund import refund as refund_flow
from payment_worker.flows.commands.refund_suspected import refund_suspected as refund_suspected_flow
from payment_worker.flows.result import NoSuchPayment
from payment_worker.tasks.base import apply_result, context, parsed, unless_unavailable
from payment_worker.tasks.missing_payment import wait_for_payment


@app.task(bind=True, name="payment_worker.refund", typing=False)
def refund(self: Task, *args: object, **kwargs: object) -> Mapping[str, str | None]:
    """Refund a payment or a part of it, once for each `refund_id`."""
    request = parsed(self, RefundRequest, args, kwargs)
    result = unless_unavailable(self, lambda: refund_flow(context(self), request))
    if isinstance(result, NoSuchPayment):
        wait_for_payment(self, request.payment_id, kwargs)
    return apply_result(self, result, kwargs)


@app.task(bind=True, name="payment_worker.continue_refund", typing=False)
def continue_waiting(self: Task, *, refund_id: str, **_newer: object) -> Mapping[str, Any]:
    """Look again at a refund that waits for its payment."""
    result = unless_unavailable(self, lambda: continue_refund(context(self), UUID(refund_id)))
    return result.as_result() if result else {"refund_id": refund_id, "status": "not waiting"}


@app.task(bind=True, name="payment_worker.refund_suspected", typing=False)
def refund_suspected(
    self: Task, *, stripe_early_fraud_warning_id: str, **_newer: object
) -> Mapping[str, Any]:
    """Refund a payment that Stripe warns of, if the policy says so."""
    result = unless_unavailable(
        self, lambda: refund_suspected_flow(context(self), stripe_early_fraud_warning_id)
    )
    return result.as_result() if result else {"refund_id": None, "status": "not refunded"}
