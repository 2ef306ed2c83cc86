"""Tasks that charge, adopt, capture, cancel and retry payments."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from celery import Task

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.contracts.requests import (
    AdoptRequest,
    CancelRequest,
    CaptureRequest,
    ChargeRequest,
    FieldError,
    RetryChargeRequest,
)
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.commands.adopt import RejectAdoption, StripeAway
from payment_worker.flows.commands.adopt import adopt as adopt_flow
from payment_worker.flows.commands.adopt import continue_adoption as continue_adoption_flow
from payment_worker.flows.commands.cancel import cancel as cancel_flow
from payment_worker.flows.commands.capture import capture as capture_flow
from payment_worker.flows.commands.charge import charge as charge_flow
from payment_worker.flows.commands.expire_action import expire_action as expire_action_flow
from payment_worker.flows.commands.modify import Busy
from payment_worker.flows.commands.retry_charge import retry_charge as retry_flow
from payment_worker.flows.commands.retry_charge import retry_declined as retry_declined_flow
from payment_worker.flows.result import CommandResult, NoSuchPayment
from payment_worker.tasks.base import (
    NO_LIMIT,
    apply_result,
    check_account,
    context,
    growing_countdown,
    notify_sweep,
    parsed,
    reject,
    unless_unavailable,
)
from payment_worker.tasks.missing_payment import Missing, is_patient, retry_lookup, wait_for_payment

Result = Mapping[str, str | None]


@app.task(bind=True, name="payment_worker.capture", typing=False)
def capture(self: Task, *args: object, **kwargs: object) -> Result:
    """Capture what was authorised, or a part of it, once."""
    request = parsed(self, CaptureRequest, args, kwargs)
    wait_if_busy = is_patient(self, Missing.ANSWER)
    return _run_change(self, request, partial(capture_flow, wait_if_busy=wait_if_busy), kwargs)


@app.task(bind=True, name="payment_worker.cancel", typing=False)
def cancel(self: Task, *args: object, **kwargs: object) -> Result:
    """Give up a payment that has not succeeded."""
    request = parsed(self, CancelRequest, args, kwargs)
    wait_if_busy = is_patient(self, Missing.ANSWER)
    return _run_change(self, request, partial(cancel_flow, wait_if_busy=wait_if_busy), kwargs)


@app.task(bind=True, name="payment_worker.retry_charge", typing=False)
def retry_charge(self: Task, *args: object, **kwargs: object) -> Result:
    """Try a declined payment again."""
    return _run_change(self, parsed(self, RetryChargeRequest, args, kwargs), retry_flow, kwargs)


@app.task(bind=True, name="payment_worker.retry_declined", typing=False)
def retry_declined(self: Task, *, attempt_id: int, **_newer: object) -> Mapping[str, Any]:
    """Try a payment again by ourselves, after this attempt of it was declined."""
    result = unless_unavailable(self, lambda: retry_declined_flow(context(self), attempt_id))
    return result.as_result() if result else {"attempt_id": attempt_id, "status": "not to be followed"}


@app.task(bind=True, name="payment_worker.expire_action", typing=False)
def expire_action(self: Task, *, payment_id: str, **_newer: object) -> Mapping[str, Any]:
    """Cancel a payment whose customer never came back."""
    result = unless_unavailable(self, lambda: expire_action_flow(context(self), UUID(payment_id)))
    return result.as_result() if result else {"payment_id": payment_id, "status": "in other hands"}


def _run_change(
    task: Task,
    request: CaptureRequest | CancelRequest | RetryChargeRequest,
    flow: Callable[..., CommandResult | NoSuchPayment | Busy],
    arguments: Mapping[str, object],
) -> Result:
    # The id of its message is the same however often it is delivered.
    message_id = bootstrap.message_id(task.request.id)
    result = unless_unavailable(task, lambda: flow(context(task), request, message_id=message_id))
    if isinstance(result, CommandResult):
        return apply_result(task, result, arguments)
    if isinstance(result, Busy):
        retry_lookup(task, Missing.ANSWER)
    return wait_for_payment(task, request.payment_id, arguments)


@app.task(bind=True, name="payment_worker.charge", typing=False)
def charge(self: Task, *args: object, **kwargs: object) -> Mapping[str, str | None]:
    """Charge a payment method, once for each `payment_id`."""
    request = parsed(self, ChargeRequest, args, kwargs)
    check_account(self, request.account, kwargs)
    return apply_result(self, unless_unavailable(self, lambda: charge_flow(context(self), request)), kwargs)


@app.task(bind=True, name="payment_worker.adopt", typing=False)
def adopt(self: Task, *args: object, **kwargs: object) -> Result:
    """Adopt a PaymentIntent that another program created, once for each `payment_id`."""
    request = parsed(self, AdoptRequest, args, kwargs)
    check_account(self, request.account, kwargs)
    result = unless_unavailable(self, lambda: adopt_flow(context(self), request))
    if isinstance(result, RejectAdoption):
        reason = result.adoption_rejection
        reject(self, kwargs, [FieldError("payment_intent", reason.value, reason.sentence)])
    if isinstance(result, StripeAway):
        raise self.retry(countdown=growing_countdown(self.request.retries), max_retries=NO_LIMIT)
    return apply_result(self, result, kwargs)


@app.task(bind=True, name="payment_worker.continue_adoption", typing=False)
def continue_adoption(self: Task, *, payment_id: str, **_newer: object) -> Mapping[str, Any]:
    """Read what Stripe has of an adopted payment, after the worker that adopted it died or Stripe was away."""
    result = unless_unavailable(self, lambda: continue_adoption_flow(context(self), UUID(payment_id)))
    return (
        result.as_result()
        if isinstance(result, CommandResult)
        else {"payment_id": payment_id, "status": "due again"}
    )


@app.task(bind=True, name="payment_worker.execute_attempt", typing=False)
def execute_attempt(
    self: Task, *, attempt_id: int, lease_token: int, then_sweep: bool = False, **_newer: object
) -> Mapping[str, Any]:
    """Execute an attempt that `resume_stalled` claimed; with `then_sweep`, enqueue the next sweep.

    Not where nothing gets on, as while Stripe or PostgreSQL is away: then beat's sweeps are enough.
    """
    result = unless_unavailable(self, lambda: run_claimed(context(self), attempt_id, lease_token=lease_token))
    if then_sweep and not (result and result.unfinished):
        notify_sweep()
    return result.as_result() if result else {"attempt_id": attempt_id, "status": "in other hands"}
