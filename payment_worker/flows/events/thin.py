"""Completes thin events, which name the object that changed and do not carry it."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from payment_worker.domain.attempts.outcome import Absent, Postponed, Unanswered
from payment_worker.flows.context import Context
from payment_worker.flows.events.apply import unavailable
from payment_worker.flows.events.result import Deferred, Ignored, Reason, Result
from payment_worker.flows.events.subjects import Subject
from payment_worker.gateway.fields import identity
from payment_worker.gateway.webhook import PINNED_VERSION, THIN
from payment_worker.store.events.inbox import InboxEvent

PATHS: Final[Mapping[Subject, str]] = MappingProxyType(
    {
        Subject.PAYMENT_INTENT: "payment_intents",
        Subject.REFUND: "refunds",
        Subject.REFUNDED_CHARGE: "charges",
        Subject.CHARGE: "charges",
        Subject.DISPUTE: "disputes",
        Subject.EARLY_FRAUD_WARNING: "radar/early_fraud_warnings",
    }
)
"""Where Stripe shows the object of an event."""


def completed(context: Context, event: InboxEvent, subject: Subject) -> InboxEvent | Result:
    """The event with the object as Stripe shows it now; any other event as it is."""
    if event.payload.get("object") != THIN:
        return event
    account = event.stripe_account
    try:
        stripe_id = identity(event.payload["related_object"]["id"])
    except (KeyError, TypeError, ValueError) as fault:
        return Deferred(Reason.UNREADABLE, type(fault).__name__)
    about = context.stripe.read(f"/v1/{PATHS[subject]}/{stripe_id}", {}, account=account)
    match about:
        case Absent():
            return Ignored(Reason.ABSENT)
        case Unanswered() | Postponed():
            return unavailable(context, about, account=account)
        case _:
            payload = {**event.payload, "data": {"object": about}}
            return replace(event, api_version=PINNED_VERSION, payload=payload)
