"""Handles events of disputes."""

from collections.abc import Mapping
from typing import Any

from payment_worker.domain.payment import Payment
from payment_worker.flows.context import Context
from payment_worker.flows.events.outcome import apply, pinned
from payment_worker.flows.events.result import Result
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.gateway.parsing import dispute_snapshot
from payment_worker.store.inbox import InboxEvent


def handle_dispute(context: Context, event: InboxEvent, payment: Payment, about: Mapping[str, Any]) -> Result:
    """Apply a dispute. Its statuses only move forward, except for a loss and its appeal: then it is retrieved."""
    return apply(
        context,
        event,
        payment,
        ObjectKind.DISPUTE,
        about["id"],
        snapshot=lambda: pinned(event, dispute_snapshot, about),
        ends_event=True,
    )
