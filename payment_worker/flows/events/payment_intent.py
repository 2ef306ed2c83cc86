"""Handles events of PaymentIntents."""

from collections.abc import Mapping
from typing import Any

from payment_worker.domain.payment import Payment
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.flows.context import Context
from payment_worker.flows.events.outcome import apply, pinned
from payment_worker.flows.events.result import Result
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.gateway.parsing import payment_intent_snapshot
from payment_worker.store.inbox import InboxEvent


def handle_payment_intent(
    context: Context, event: InboxEvent, payment: Payment, about: Mapping[str, Any]
) -> Result:
    """Apply a PaymentIntent: as the event shows it, where that state is never left, else as it is now."""

    def snapshot() -> PaymentIntentSnapshot | None:
        shown = pinned(event, payment_intent_snapshot, about)
        return shown if shown and shown.is_final else None

    return apply(
        context, event, payment, ObjectKind.PAYMENT_INTENT, about["id"], snapshot=snapshot, ends_event=True
    )
