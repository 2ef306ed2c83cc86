"""The console's pages of payments: a list with search and filters, and one payment with its timeline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console import charts
from payment_worker.console.context import Console
from payment_worker.domain.dispute import BLOCKING
from payment_worker.domain.money import CURRENCIES
from payment_worker.domain.payment import PaymentStatus
from payment_worker.flows.timeline import story_of
from payment_worker.store import rejected_requests, stripe_identity
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import console as queries
from payment_worker.store.queries import timeline
from payment_worker.store.queries.console import Place, Search

ROWS: Final = 50
FIELDS: Final = ("q", "status", "disputed", "currency", "least", "most", "since", "until")
CENTS: Final = 2
"""Decimals of an amount that is looked for in no particular currency."""
MOST_REJECTED: Final = 20
LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Asked:
    """The search as it was typed in, and what is wrong with it."""

    search: Search
    before: Place | None
    faults: Sequence[str]


def payments(console: Console, request: Request) -> Response:
    """`/payments`."""
    given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    asked = _asked(given, request.query_params.get("before", ""))
    with console.reading() as connection:
        search = _resolved(connection, asked.search)
        page = queries.payments(connection, search, before=asked.before, limit=ROWS)
        rejected = _rejected(connection, given["q"])
    following = (
        f"{page.next_place.created_at.isoformat()}~{page.next_place.payment_id}" if page.next_place else ""
    )
    return console.pages.page(
        request,
        "payments.html",
        http_status=HTTPStatus.BAD_REQUEST if asked.faults else HTTPStatus.OK,
        problems=asked.faults,
        given=given,
        page=page,
        following=following,
        is_first=asked.before is None,
        statuses=list(PaymentStatus),
        rejected=rejected,
    )


def _asked(given: Mapping[str, str], before: str) -> _Asked:
    faults: list[str] = []
    currency = given["currency"].upper()
    exponent = CURRENCIES[currency].exponent if currency in CURRENCIES else CENTS
    if given["status"] and given["status"] not in set(PaymentStatus):
        faults.append(f"There is no status {given['status']}.")
    amounts, days = {}, {}
    for name in ("least", "most"):
        try:
            amounts[name] = _minor(given[name], exponent)
        except ValueError:
            faults.append(f"{given[name]} is no amount: write 49.99.")
    for name in ("since", "until"):
        try:
            days[name] = _midnight(given[name])
        except (ValueError, OverflowError):
            faults.append(f"{given[name]} is no day: write 2031-12-31.")
    until = days.get("until")
    search = Search(
        identity=given["q"] or None,
        status=given["status"] or None,
        is_disputed=bool(given["disputed"]),
        currency=currency or None,
        least=amounts.get("least"),
        most=amounts.get("most"),
        since=days.get("since"),
        until=until + timedelta(days=1) if until else None,
    )
    try:
        place = _place(before)
    except ValueError:
        place = None
        faults.append("The list cannot go on from there.")
    return _Asked(search, place, faults)


def _minor(text: str, exponent: int) -> int | None:
    if not text:
        return None
    try:
        amount = Decimal(text).scaleb(exponent).to_integral_value()
    except InvalidOperation:
        raise ValueError(text) from None
    if not amount.is_finite() or not 0 <= amount <= LARGEST:
        raise ValueError(text)
    return int(amount)


def _midnight(text: str) -> datetime | None:
    day = date.fromisoformat(text) if text else None
    # The year 9999 has no day after its last.
    return datetime.combine(day, time(), tzinfo=UTC) if day and day + timedelta(days=1) else None


def _place(text: str) -> Place | None:
    if not text:
        return None
    at, _, payment_id = text.partition("~")
    created_at = datetime.fromisoformat(at)
    if created_at.tzinfo is None:
        raise ValueError(text)
    return Place(created_at, UUID(payment_id))


def _resolved(connection: Connection, search: Search) -> Search:
    """The search for an event's id as one for its payment's."""
    if search.identity and search.identity.startswith("evt_"):
        owner = timeline.payment_of_event(connection, search.identity)
        return Search(identity=str(owner or search.identity))
    return search


def _rejected(connection: Connection, identity: str) -> Sequence[rejected_requests.RejectedRequest]:
    if not identity:
        return ()
    return rejected_requests.carrying(connection, identity.lower(), limit=MOST_REJECTED) or (
        rejected_requests.carrying(connection, identity, limit=MOST_REJECTED)
    )


def payment(console: Console, request: Request) -> Response:
    """`/payments/{payment_id}`."""
    payment_id: UUID = request.path_params["payment_id"]
    with console.reading() as connection:
        if not queries.exists(connection, payment_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such payment.")
        story = story_of(connection, payment_id)
        disputes = queries.disputes(connection, payment_id)
        identity = stripe_identity.on_record(connection)
        rejected = _rejected(connection, str(payment_id))
    return console.pages.page(
        request,
        "payment.html",
        payment=story.payment,
        refunds=story.refunds,
        disputes=disputes,
        entries=story.entries,
        shares=charts.shares(list(_money(story.payment, disputes))),
        rejected=rejected,
        is_live=bool(identity and identity.livemode),
        flower=_flower(console, payment_id),
    )


def _money(
    payment: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str, int, str]]:
    """Each part of a payment's money: its name, its colour, its amount and its currency."""
    currency = payment["currency"]
    refunded = payment["amount_refunded"]
    yield "Requested", "plain", payment["amount"], currency
    yield "Authorised", "plain", payment["amount_authorized"], currency
    yield "Captured", "good", payment["amount_captured"], currency
    yield "Refunded", "bad", refunded, currency
    yield "Refunds under way", "warn", payment["amount_refund_reserved"] - refunded, currency
    for dispute in disputes:
        if dispute["status"] in BLOCKING:
            yield f"Disputed, {dispute['status']}", "bad", dispute["amount"], dispute["currency"]
    if payment["settlement_currency"]:
        yield "Stripe's fee", "warn", payment["fee"], payment["settlement_currency"]
        yield "Net after the fee", "good", payment["net"], payment["settlement_currency"]


def _flower(console: Console, payment_id: UUID) -> str | None:
    """Flower's list of the tasks whose arguments name this payment."""
    # Its page takes no free text, but puts what stands behind `name=` into its search as it is.
    return console.flower_url and f"{console.flower_url.rstrip('/')}/tasks?name=payment_worker%20{payment_id}"
