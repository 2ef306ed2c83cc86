"""Corrects the account of stored events that name theirs in `context`."""

from collections.abc import Sequence
from dataclasses import replace

from payment_worker.domain.accounts import account_name, account_of
from payment_worker.flows.context import Context
from payment_worker.flows.events.arrival import arrival
from payment_worker.flows.events.finish import Finished, finish
from payment_worker.flows.events.result import Processed, Reason
from payment_worker.gateway.webhook import account_in, event_from
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import inbox
from payment_worker.store.events.inbox import InboxEvent


def correct_accounts(context: Context, events: Sequence[InboxEvent]) -> Sequence[InboxEvent]:
    """Store those events again that name our own account, or one on it by way of ours; returns the others.

    Organisations' destinations send them. The receiver knows no key, and so not which account is our own.
    """
    if not any(event.payload.get("context") for event in events):
        return events
    with context.database.begin() as connection:
        with_accounts = [(event, _account(context, connection, event.stripe_account)) for event in events]
        corrected = [
            replace(event_from(dict(event.payload)), stripe_account=account)
            for event, account in with_accounts
            if account != event.stripe_account
        ]
        inbox.keep(connection, [arrival(event) for event in corrected], source="webhook", now=context.clock())
        misaddressed = [event for event, account in with_accounts if account != event.stripe_account]
        finish(
            context,
            connection,
            [Finished(event, Processed(Reason.ACCOUNT_CORRECTED)) for event in misaddressed],
        )
    return [event for event in events if event not in misaddressed]


def _account(context: Context, connection: Connection, name: str) -> str:
    """An account as our rows name it, of those that the key whose secret signed the event can reach."""
    key, account = account_of(name)
    if key not in context.stripe.keys:
        key, account = "", name
    identity = stripe_identity.on_record(connection, key)
    return account_name(key, account_in(account, own_account=identity.stripe_account_id if identity else ""))
