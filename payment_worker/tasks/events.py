"""Tasks that store and process Stripe events."""

from collections.abc import Mapping

from celery import Task

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.contracts.requests import FieldError, StripeEventRequest
from payment_worker.flows.events.inbox import process_claimed, process_event, receive
from payment_worker.gateway.webhook import BadPayloadError, BadSignatureError, Event, verified
from payment_worker.store.inbox import EventStatus
from payment_worker.tasks.base import context, parsed, reject, unless_unavailable

Result = Mapping[str, str | None]


@app.task(bind=True, name="payment_worker.receive_stripe_event", typing=False)
def receive_stripe_event(self: Task, *args: object, **kwargs: object) -> Result:
    """Take in a webhook that another app terminated, as if it had come to us."""
    request = parsed(self, StripeEventRequest, args, kwargs)
    event = _verified(self, request)
    stored = unless_unavailable(self, lambda: receive(context(self), event, source="task"))
    status = unless_unavailable(self, lambda: process_event(context(self), stored)) if stored else "known"
    return {"event_id": event.event_id, "status": status, "stripe_id": event.event_id, "reason": None}


def _verified(task: Task, request: StripeEventRequest) -> Event:
    try:
        return verified(request.payload, request.signature, secrets=bootstrap.webhook_secrets())
    except BadSignatureError:
        error = FieldError("signature", "bad_signature", "does not fit the payload and our secrets")
    except BadPayloadError:
        error = FieldError("payload", "not_an_event", "is no event of Stripe's")
    # What nobody vouches for is not kept: its size is a stranger's to choose.
    return reject(task, {"payload": f"{len(request.payload)} characters"}, [error])


@app.task(bind=True, name="payment_worker.process_event", typing=False)
def process_stored(
    self: Task, *, stripe_account: str, event_id: str, lease_token: int, **_newer: object
) -> Result:
    """Process an event of the inbox."""
    status: EventStatus | None = unless_unavailable(
        self,
        lambda: process_claimed(
            context(self), stripe_account=stripe_account, event_id=event_id, lease_token=lease_token
        ),
    )
    return {"event_id": event_id, "status": status or "in other hands"}
