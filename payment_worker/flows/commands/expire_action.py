"""Cancels payments whose customer did not complete the required action in time."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from payment_worker.domain.attempts.attempt import Action
from payment_worker.domain.eligibility import Done, Proceed, Reject, decide_cancel
from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.flows.commands.cancel import cancellation
from payment_worker.flows.commands.modify import Change, Wanted, ask_for
from payment_worker.flows.context import Context
from payment_worker.flows.result import CommandResult
from payment_worker.store.connection.database import Connection
from payment_worker.store.records import payments
from payment_worker.store.statements import write

REASON: Final = "abandoned"
"""Stripe's own word."""

AGAIN_AFTER: Final = timedelta(days=1)
"""For when Stripe rejects the cancellation, for instance of an account that is closed to us for a while."""


def expire_action(context: Context, payment_id: UUID) -> CommandResult | None:
    """Cancel the payment if it still waits for its customer; None while another attempt on it has no outcome."""

    def decide(connection: Connection, payment: Payment) -> Wanted | Done | Reject:
        # The sweep that claimed the payment has put its time off by a lease. Later than that is another action's.
        claimed_until = context.clock() + context.policy.lease
        if not payments.is_action_expired(connection, payment.payment_id, by=claimed_until):
            return Done()
        decision = decide_cancel(payment)
        return cancellation(payment, REASON) if isinstance(decision, Proceed) else decision

    change = Change(
        action=Action.CANCEL,
        payment_id=payment_id,
        message_id=None,
        arguments={},
        decide=decide,
        is_same=lambda _payment, _stripe_request: True,
        is_ours=True,
    )
    result = ask_for(context, change, wait_if_busy=True)
    if not isinstance(result, CommandResult):
        return None  # enqueued again
    if result.status == PaymentStatus.REQUIRES_ACTION and result.unfinished is None:
        with context.database.begin() as connection:
            update = payments.extend_action(payment_id, until=context.clock() + AGAIN_AFTER)
            write(connection, [update])
    return result
