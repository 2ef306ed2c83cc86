"""The console's lists of payments and refunds, with search and filters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console.context import Console
from payment_worker.console.payment import rejected_with
from payment_worker.domain.accounts import PLATFORM
from payment_worker.domain.money import CURRENCIES
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import search as queries
from payment_worker.store.queries import timeline
from payment_worker.store.queries.search import Page, Place, Search

ROWS: Final = 50
FIELDS: Final = ("q", "status", "disputed", "account", "currency", "least", "most", "since", "until")
CENTS: Final = 2
"""Decimals of an amount that is looked for in no particular currency."""
LARGEST: Final = 2**63 - 1

Statuses = type[PaymentStatus] | type[RefundStatus]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The search as it was typed in, and what is wrong with it."""

    search: Search
    before: Place | None
    faults: Sequence[str]


def payments(console: Console, request: Request) -> Response:
    """`/payments`."""
    return _listed(console, request, "payments.html", queries.payments, PaymentStatus)


def refunds(console: Console, request: Request) -> Response:
    """`/refunds`."""
    return _listed(console, request, "refunds.html", queries.refunds, RefundStatus)


def _listed(
    console: Console, request: Request, template: str, query: Callable[..., Page], statuses: Statuses
) -> Response:
    given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    asked = _asked(given, request.query_params.get("before", ""), statuses)
    with console.reading() as connection:
        search = _resolved(connection, asked.search)
        page = query(connection, search, before=asked.before, limit=ROWS)
        rejected = rejected_with(connection, given["q"])
        is_live = stripe_identity.is_live(connection)
    place = page.next_place
    return console.pages.page(
        request,
        template,
        http_status=HTTPStatus.BAD_REQUEST if asked.faults else HTTPStatus.OK,
        problems=asked.faults,
        given=given,
        page=page,
        following=f"{place.created_at.isoformat()}~{place.row_id}" if place else "",
        is_first=asked.before is None,
        statuses=list(statuses),
        rejected=rejected,
        is_live=is_live,
    )


def _asked(given: Mapping[str, str], before: str, statuses: Statuses) -> _Asked:
    faults: list[str] = []
    currency = given["currency"].upper()
    exponent = CURRENCIES[currency].exponent if currency in CURRENCIES else CENTS
    if given["status"] and given["status"] not in set(statuses):
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
    of_payments = statuses is PaymentStatus  # a refund's row has neither
    search = Search(
        identity=given["q"] or None,
        status=given["status"] or None,
        is_disputed=bool(given["disputed"]) and of_payments,
        account=_account(given["account"]) if of_payments else None,
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


def _account(text: str) -> str | None:
    return "" if text == PLATFORM else text or None


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
    at, _, row_id = text.partition("~")
    created_at = datetime.fromisoformat(at)
    if created_at.tzinfo is None:
        raise ValueError(text)
    return Place(created_at, UUID(row_id))


def _resolved(connection: Connection, search: Search) -> Search:
    """The search for an event's id as one for its payment's."""
    if search.identity and search.identity.startswith("evt_"):
        owner = timeline.payment_of_event(connection, search.identity)
        return Search(identity=str(owner or search.identity))
    return search
