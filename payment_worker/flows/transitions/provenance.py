"""Finds the object that an attempt created, by its idempotency key: metadata can be copied or cleared, a key cannot.

Stripe includes the key in each event that a request causes, and the key is stored before the request is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from payment_worker.domain.attempts.attempt import Action, Attempt
from payment_worker.domain.attempts.outcome import Absent, Delay, Postponed, ScanResult, Unanswered
from payment_worker.domain.payment import Payment
from payment_worker.domain.refund import Refund
from payment_worker.domain.snapshots import RefundSnapshot
from payment_worker.flows.clocks import stripe_skew
from payment_worker.flows.context import Context
from payment_worker.flows.transitions.refresh import ObjectKind
from payment_worker.gateway.client import MADE_UNDER_A_KEY, NotFetched
from payment_worker.gateway.lists.pages import Page, Period, events_page
from payment_worker.gateway.transport.retries import Seconds
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_keys, inbox
from payment_worker.store.records import refunds, stripe_requests

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
"""How far our idea of Stripe's clock may be wrong when a list by creation time is read to prove absence."""

TOLD_WITHIN: Final = timedelta(minutes=10)
"""How long after a request an event of it is looked for in the inbox. Stripe's own list has those that came later."""


EVENT_WITHIN: Final = timedelta(seconds=5)
"""How long after an object was made, by Stripe's clock, the events are dated that tell of the request that made it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A period by Stripe's clock."""

    since: datetime
    until: datetime


def sent_within(context: Context, attempt: Attempt, *, margin: timedelta) -> Window:
    """When Stripe can have made what was sent, by its own clock.

    Both as far as the clocks differ now and as far as they differed when it was sent: one was perhaps set meanwhile.
    """
    skews = [stripe_skew(context) or timedelta()]
    if attempt.stripe_sent_at:
        skews.append(attempt.stripe_sent_at - attempt.first_sent_at)
    return Window(
        since=attempt.first_sent_at + min(skews) - margin, until=attempt.sent_until + max(skews) + margin
    )


def find_made(
    context: Context,
    attempt: Attempt,
    *,
    account: str,
    after: str | None,
    time_left: Seconds,
) -> ScanResult:
    """What was made under an attempt's key, as it is now: an event in the inbox, or on Stripe's list, tells what."""
    with context.database.begin() as connection:
        object_id = event_keys.made_under(
            connection,
            attempt.idempotency_key,
            stripe_account=account,
            types=MADE_UNDER_A_KEY[attempt.action],
            since=attempt.first_sent_at - CLOCKS_DIFFER_BY,
            until=attempt.sent_until + TOLD_WITHIN,
        )
    if object_id:
        return context.stripe.made_by(attempt, object_id, account=account)
    window = sent_within(context, attempt, margin=CLOCKS_DIFFER_BY)
    return context.stripe.find_by_key(
        attempt, since=window.since, until=window.until, account=account, after=after, time_left=time_left
    )


CREATION: Final = MappingProxyType(
    {ObjectKind.PAYMENT_INTENT: "payment_intent.created", ObjectKind.REFUND: "refund.created"}
)
"""The event of the request that created an object: all others may be of later changes by somebody else."""

PATHS: Final = MappingProxyType(
    {ObjectKind.PAYMENT_INTENT: "/v1/payment_intents/", ObjectKind.REFUND: "/v1/refunds/"}
)


def keys_of(
    context: Context, kind: ObjectKind, stripe_id: str, *, account: str
) -> frozenset[str] | NotFetched:
    """The key of the request that made an object, an empty one for a request without; none where that is not known.

    Told by its event, in the inbox or on Stripe's list, which shows events late, and for 30 days.
    """
    types = (CREATION[kind],)
    with context.database.begin() as connection:
        keys = event_keys.keys_of(connection, stripe_id, stripe_account=account, types=types)
    if keys:
        return keys
    body = context.stripe.read(f"{PATHS[kind]}{stripe_id}", {}, account=account)
    if isinstance(body, Absent | Unanswered | Postponed):
        return body
    made_at = datetime.fromtimestamp(body["created"], tz=UTC)
    period = Period(since=made_at, until=made_at + EVENT_WITHIN)
    return _keys_on_list(context, period, stripe_id, types=types, account=account)


def _keys_on_list(
    context: Context, period: Period, stripe_id: str, *, types: Sequence[str], account: str
) -> frozenset[str] | NotFetched:
    after: str | None = None
    while True:
        page = events_page(context.stripe, period, types=types, after=after, account=account)
        match page:
            case Page():
                creations = [each for each in page.objects if each.object_id == stripe_id]
                if creations or page.cursor is None:
                    return frozenset(inbox.key_in(each.payload) or "" for each in creations)
                after = page.cursor
            case Postponed(Delay.ACCESS_DENIED):
                return frozenset()  # a key that may not read events gives no proof: an operator has to decide
            case _:
                return page


def charged_under(
    context: Context, connection: Connection, payment_id: UUID, idempotency_key: str | None
) -> bool:
    """Whether this is the key of a request of ours to charge the payment, which Stripe has not refused."""
    request = _request_under(context, connection, payment_id, idempotency_key)
    return request is not None and request.action is Action.CHARGE


def refunded_under(
    context: Context, connection: Connection, payment: Payment, idempotency_key: str | None
) -> Refund | None:
    """Our refund whose request had this key."""
    request = _request_under(context, connection, payment.payment_id, idempotency_key)
    if request is None or request.action is not Action.REFUND or request.refund_id is None:
        return None
    return refunds.find(connection, request.refund_id)


def _request_under(
    context: Context, connection: Connection, payment_id: UUID, idempotency_key: str | None
) -> stripe_requests.Asked | None:
    remembered_since = context.clock() - context.policy.key_safe_age
    return stripe_requests.asked_under(
        connection, idempotency_key, payment_id=payment_id, remembered_since=remembered_since
    )


def may_be_unanswered(connection: Connection, payment: Payment, snapshot: RefundSnapshot) -> bool:
    """Whether a Refund that we do not know may be what an unanswered attempt to refund so much has made."""
    return refunds.find_by_stripe(
        connection, snapshot.stripe_refund_id
    ) is None and stripe_requests.refunds_unanswered(connection, payment.payment_id, amount=snapshot.amount)
