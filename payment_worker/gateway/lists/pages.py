"""Reads Stripe's lists page by page, newest first, 100 objects a page.

What cannot be read is left out: one object, perhaps another app's, may not hide all that is listed with it.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from payment_worker.domain.attempts.outcome import Absent, Postponed, Unanswered, UnknownReason
from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.early_fraud_warning import EarlyFraudWarning
from payment_worker.domain.snapshots import DisputeSnapshot, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.fields import id_of
from payment_worker.gateway.lists.list_scan import PAGE
from payment_worker.gateway.parsing import (
    JSON,
    UnreadableError,
    balance_transaction_in,
    balance_transaction_of,
    dispute_snapshot,
    early_fraud_warning_of,
    payment_intent_snapshot,
    refund_snapshot,
)
from payment_worker.gateway.webhook import Event, event_from
from payment_worker.telemetry import logger

log = logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnreadableObject:
    """An object on a list that does not have the shape that the pinned API version gives it."""

    object_id: str
    stripe_payment_intent_id: str | None
    """The PaymentIntent that it belongs to, if it names one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page of a list."""

    objects: Sequence[T]
    """Newest first."""
    left_out: Sequence[UnreadableObject] = ()
    oldest_at: datetime | None
    """When the last of them was created, by Stripe's clock."""
    cursor: str | None
    """What the next page begins after; None when this was the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period of creation, by Stripe's clock, which counts whole seconds."""

    since: datetime
    until: datetime | None = None
    """Not included; None for no end."""

    def as_parameter(self) -> dict[str, int]:
        """As Stripe's lists take it."""
        bounds = {"gte": int(self.since.timestamp())}
        if self.until is not None:
            bounds["lte"] = int(self.until.timestamp())
        return bounds


@dataclass(frozen=True, slots=True)
class ListedPaymentIntent:
    """A PaymentIntent on a list, and what was booked of its charge, if that is known already."""

    snapshot: PaymentIntentSnapshot
    balance_transaction: BalanceTransaction | None


NotListed = Absent | Unanswered | Postponed
"""`Absent`: the cursor names an object that does not exist any more."""


def events_page(
    gateway: Gateway, period: Period, *, types: Sequence[str], after: str | None, account: str
) -> Page[Event] | NotListed:
    """A page of the events of these types; at most 20 types."""
    params = {"created": period.as_parameter(), "types": list(types)}
    return read_page(
        gateway,
        "/v1/events",
        params,
        lambda body: replace(event_from(dict(body)), stripe_account=account),
        after=after,
        account=account,
    )


def payment_intents_page(
    gateway: Gateway, period: Period, *, after: str | None, account: str
) -> Page[ListedPaymentIntent] | NotListed:
    """A page of the PaymentIntents of a period."""
    params = {"created": period.as_parameter(), "expand": ["data.latest_charge.balance_transaction"]}
    return read_page(gateway, "/v1/payment_intents", params, _payment_listed, after=after, account=account)


def balance_transactions_page(
    gateway: Gateway,
    period: Period,
    *,
    only: Container[str] | None = None,
    after: str | None,
    account: str,
) -> Page[BalanceTransaction] | NotListed:
    """A page of the balance transactions of a period; only those with these ids are read, if given."""
    return read_page(
        gateway,
        "/v1/balance_transactions",
        {"created": period.as_parameter()},
        balance_transaction_of,
        only=only,
        after=after,
        account=account,
    )


def refunds_page(
    gateway: Gateway, period: Period, *, after: str | None, account: str
) -> Page[RefundSnapshot] | NotListed:
    """A page of the Refunds of a period."""
    params = {"created": period.as_parameter()}
    return read_page(gateway, "/v1/refunds", params, refund_snapshot, after=after, account=account)


def disputes_page(
    gateway: Gateway, period: Period, *, after: str | None, account: str
) -> Page[DisputeSnapshot] | NotListed:
    """A page of the disputes of a period."""
    params = {"created": period.as_parameter()}
    return read_page(gateway, "/v1/disputes", params, dispute_snapshot, after=after, account=account)


def early_fraud_warnings_page(
    gateway: Gateway, scope: Period | str, *, after: str | None, account: str
) -> Page[EarlyFraudWarning] | NotListed:
    """A page of the early fraud warnings of a period, or of a PaymentIntent, whose id is given."""
    params = {"payment_intent": scope} if isinstance(scope, str) else {"created": scope.as_parameter()}
    path = "/v1/radar/early_fraud_warnings"
    return read_page(gateway, path, params, early_fraud_warning_of, after=after, account=account)


def ids_page(
    gateway: Gateway, path: str, payment_intent: str, *, after: str | None, account: str
) -> Page[str] | NotListed:
    """A page of the ids of a PaymentIntent's objects, such as its Refunds."""
    params = {"payment_intent": payment_intent}
    return read_page(gateway, path, params, lambda body: str(body["id"]), after=after, account=account)


def _payment_listed(intent: JSON) -> ListedPaymentIntent:
    return ListedPaymentIntent(payment_intent_snapshot(intent), balance_transaction_in(intent))


def read_page(
    gateway: Gateway,
    path: str,
    params: Mapping[str, Any],
    parse: Callable[[JSON], T],
    *,
    only: Container[str] | None = None,
    after: str | None,
    account: str,
) -> Page[T] | NotListed:
    """A page of the list at this path, each object read; what cannot be read is left out of it.

    Args:
        only: the ids of those that are read; all are, without it.
    """
    page_params = {**params, "limit": PAGE, "starting_after": after}
    body = gateway.read(path, page_params, account=account)
    if isinstance(body, Absent | Unanswered | Postponed):
        return body
    try:
        data = body["data"]
        wanted = data if only is None else [each for each in data if each["id"] in only]
        objects, left_out = _read_each(wanted, parse, account=account)
        return Page(
            objects=objects,
            left_out=left_out,
            oldest_at=datetime.fromtimestamp(data[-1]["created"], tz=UTC) if data else None,
            cursor=data[-1]["id"] if data and body["has_more"] else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return Unanswered(UnknownReason.TRUNCATED_ANSWER)


def _read_each(
    data: Sequence[JSON], parse: Callable[[JSON], T], *, account: str
) -> tuple[list[T], list[UnreadableObject]]:
    objects: list[T] = []
    left_out: list[UnreadableObject] = []
    for each in data:
        try:
            objects.append(parse(each))
        except (UnreadableError, KeyError, TypeError, AttributeError, ValueError) as fault:
            left_out.append(UnreadableObject(str(each["id"]), id_of(each.get("payment_intent"))))
            log.warning(
                "an object on a list cannot be read",
                object_id=left_out[-1].object_id,
                stripe_account=account,
                reason=type(fault).__name__,
            )
    return objects, left_out
