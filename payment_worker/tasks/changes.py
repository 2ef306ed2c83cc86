"""Tasks that change a payment which Stripe knows: capture, cancel, try again."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from celery import Task

from payment_worker import wiring
from payment_worker.celery import app
from payment_worker.contracts.requests import (
    CancelRequest,
    CaptureRequest,
    RetryChargeRequest,
)
from payment_worker.flows.answer import Answer, NoSuchPayment
from payment_worker.flows.cancel import cancel as cancel_flow
from payment_worker.flows.capture import capture as capture_flow
from payment_worker.flows.changing import Busy
from payment_worker.flows.retry_charge import retry_charge as retry_flow
from payment_worker.flows.retry_charge import retry_declined as retry_declined_flow
from payment_worker.tasks.obeying import obey, parsed, unless_unavailable, world
from payment_worker.tasks.overtaking import Lack, is_patient, look_again, look_for_payment

Result = Mapping[str, str | None]


@app.task(bind=True, name="payment_worker.capture", typing=False)
def capture(self: Task, *args: object, **kwargs: object) -> Result:
    """Capture what was authorised, or a part of it, once."""
    request = parsed(self, CaptureRequest, args, kwargs)

    def run() -> Answer | NoSuchPayment | Busy:
        return capture_flow(
            world(self), request, message_id=message_id(self), patient=is_patient(self, Lack.ANSWER)
        )

    return _obey(self, request, run, kwargs)


@app.task(bind=True, name="payment_worker.cancel", typing=False)
def cancel(self: Task, *args: object, **kwargs: object) -> Result:
    """Give up a payment that has not succeeded."""
    request = parsed(self, CancelRequest, args, kwargs)

    def run() -> Answer | NoSuchPayment | Busy:
        return cancel_flow(
            world(self), request, message_id=message_id(self), patient=is_patient(self, Lack.ANSWER)
        )

    return _obey(self, request, run, kwargs)


@app.task(bind=True, name="payment_worker.retry_charge", typing=False)
def retry_charge(self: Task, *args: object, **kwargs: object) -> Result:
    """Try a declined payment again."""
    request = parsed(self, RetryChargeRequest, args, kwargs)

    def run() -> Answer | NoSuchPayment | Busy:
        return retry_flow(world(self), request, message_id=message_id(self))

    return _obey(self, request, run, kwargs)


@app.task(bind=True, name="payment_worker.retry_declined", typing=False)
def retry_declined(self: Task, *, attempt_id: int, **_newer: object) -> Mapping[str, Any]:
    """Try a payment again by ourselves, after this attempt of it was declined."""
    answer = unless_unavailable(self, lambda: retry_declined_flow(world(self), attempt_id))
    return answer.as_result() if answer else {"attempt_id": attempt_id, "status": "not to be followed"}


def message_id(task: Task) -> UUID:
    """The id of the message that the task came with, the same however often it is delivered."""
    return wiring.message_id(task.request.id)


def _obey(
    task: Task,
    request: CaptureRequest | CancelRequest | RetryChargeRequest,
    run: Callable[[], Answer | NoSuchPayment | Busy],
    arguments: Mapping[str, object],
) -> Result:
    answer = unless_unavailable(task, run)
    if isinstance(answer, Answer):
        return obey(task, answer, arguments)
    if isinstance(answer, Busy):
        look_again(task, Lack.ANSWER)
    return look_for_payment(task, request.payment_id, arguments)
