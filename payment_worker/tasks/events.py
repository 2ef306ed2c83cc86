"""Tasks that store and process Stripe events."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from celery import Task

from payment_worker import bootstrap
from payment_worker.celery import app
from payment_worker.contracts.requests import FetchEventRequest, FieldError, StripeEventRequest
from payment_worker.domain.attempts.outcome import Absent
from payment_worker.flows.events.fetch import fetch_event
from payment_worker.flows.events.inbox import (
    GROUP,
    claim_new,
    process_claimed,
    process_together,
    receive,
    status_of,
)
from payment_worker.gateway.client import Unreadable
from payment_worker.gateway.webhook import BadPayloadError, BadSignatureError, Event, verified
from payment_worker.store.events.inbox import EventStatus
from payment_worker.tasks.base import (
    NO_LIMIT,
    check_account,
    context,
    growing_countdown,
    notify_processing,
    parsed,
    reject,
    unless_unavailable,
)

Result = Mapping[str, str | None]

MOST_LOOKS: Final = 4
"""Times that we ask again for an event that Stripe does not show yet: the app may have heard of it slightly before."""


@app.task(bind=True, name="payment_worker.receive_stripe_event", typing=False)
def receive_stripe_event(self: Task, *args: object, **kwargs: object) -> Result:
    """Store a webhook that another app received, as if we had received it."""
    request = parsed(self, StripeEventRequest, args, kwargs)
    return _store(self, _verified(self, request))


def _store(task: Task, event: Event) -> Result:
    is_new = unless_unavailable(task, lambda: receive(context(task), event, source="task"))
    if is_new:
        _process_new(task)
    status = unless_unavailable(task, lambda: status_of(context(task), event)) if is_new else "known"
    return {"event_id": event.event_id, "status": status, "stripe_id": event.event_id, "reason": None}


def _verified(task: Task, request: StripeEventRequest) -> Event:
    try:
        return verified(request.payload, request.signature, secrets=bootstrap.webhook_secrets())
    except BadSignatureError:
        error = FieldError("signature", "bad_signature", "does not fit the payload and our secrets")
    except BadPayloadError:
        error = FieldError("payload", "not_an_event", "is no event of Stripe's")
    # An unsigned payload is not stored: a stranger chooses its size.
    return reject(task, {"payload": f"{len(request.payload)} characters"}, [error])


@app.task(bind=True, name="payment_worker.fetch_stripe_event", typing=False)
def fetch_stripe_event(self: Task, *args: object, **kwargs: object) -> Result:
    """Store an event that another app was told of, as Stripe shows it to our key."""
    request = parsed(self, FetchEventRequest, args, kwargs)
    check_account(self, request.account, kwargs)
    fetched = unless_unavailable(
        self, lambda: fetch_event(context(self), request.event_id, account=request.on_account)
    )
    retries = self.request.retries
    if isinstance(fetched, Absent | Unreadable) and retries >= MOST_LOOKS:
        reject(self, kwargs, [FieldError("event_id", "no_such_event", "names no event that Stripe shows")])
    if not isinstance(fetched, Event):
        raise self.retry(countdown=growing_countdown(retries), max_retries=NO_LIMIT)
    return _store(self, fetched)


@app.task(bind=True, name="payment_worker.process_events", typing=False)
def process_events(self: Task, **_newer: object) -> dict[str, int]:
    """Process new events of the inbox together; what has to be processed alone gets a task of its own."""
    return {"processed": _process_new(self)}


def _process_new(task: Task) -> int:
    claimed = unless_unavailable(task, lambda: claim_new(context(task)))
    if len(claimed) == GROUP:
        notify_processing()  # there may be more: another worker takes them meanwhile
    unprocessed = unless_unavailable(task, lambda: process_together(context(task), claimed))
    for each in unprocessed:
        app.send_task("payment_worker.process_event", kwargs=asdict(each))
    return len(claimed) - len(unprocessed)


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
