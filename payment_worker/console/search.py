"""The console's lists of payments and refunds, with search and filters."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError
from starlette.requests import Request

from payment_worker.console.rendering import DAY, ROWS
from payment_worker.domain.accounts import PLATFORM
from payment_worker.domain.money import CURRENCIES
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus
from payment_worker.store import rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.queries import search as queries
from payment_worker.store.queries.search import Page, Place, Search

PAGE_ROWS: Final = 50
CENTS: Final = 2
"""Decimals of an amount that is looked for in no particular currency."""
FILTERS: Final = ("status", "disputed", "account", "currency", "least", "most", "since", "until")
FAULTS: Final = {
    **dict.fromkeys(("least", "most"), "is no amount: write 49.99."),
    **dict.fromkeys(("since", "until"), "is no day: write 2031-12-31."),
}

Amount = Annotated[Decimal, Field(ge=0, le=10**12)]
Day = Annotated[date, Field(lt=date.max)]  # the year 9999 has no day after its last


class Filters(BaseModel):
    """What a list of refunds can be filtered by, as its form has it."""

    status: str | None = None
    currency: Annotated[str, StringConstraints(to_upper=True)] | None = None
    least: Amount | None = None
    most: Amount | None = None
    since: Day | None = None
    until: Day | None = None
    before_at: AwareDatetime | None = None
    before_id: UUID | None = None

    @property
    def before(self) -> Place | None:
        """Where this page of the list begins; None for the first."""
        return Place(self.before_at, self.before_id) if self.before_at and self.before_id else None

    def search(self, identity: str | None) -> Search:
        """The rows that are wanted."""
        known = CURRENCIES.get(self.currency or "")
        least, most = (
            None if each is None else round(each.scaleb(known.exponent if known else CENTS))
            for each in (self.least, self.most)
        )
        return Search(
            identity=identity,
            status=self.status,
            currency=self.currency,
            least=least,
            most=most,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until) + DAY if self.until else None,
        )


class RefundFilters(Filters):
    """Filters of refunds."""

    status: RefundStatus | None = None


class PaymentFilters(Filters):
    """Filters of payments."""

    status: PaymentStatus | None = None
    disputed: bool = False
    account: str | None = None

    def search(self, identity: str | None) -> Search:
        """The rows that are wanted."""
        account = "" if self.account == PLATFORM else self.account
        return replace(super().search(identity), is_disputed=self.disputed, account=account)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _listed(
    connection: Connection, request: Request, *, query: Callable[..., Page], kind: type[Filters]
) -> Mapping[str, Any]:
    typed = {name: text.strip() for name, text in request.query_params.items() if text.strip()}
    shown = {
        "given": {name: typed.get(name, "") for name in ("q", *FILTERS)},
        "statuses": list(PaymentStatus if kind is PaymentFilters else RefundStatus),
    }
    try:
        filters = kind.model_validate(typed)
    except ValidationError as error:
        faults = [(fault["input"], fault["loc"][0]) for fault in error.errors()]
        problems = [f"{text} {FAULTS.get(str(name), 'is unknown.')}" for text, name in faults]
        return {**shown, "problems": problems, "http_status": HTTPStatus.BAD_REQUEST}
    # As it was pasted, and where that is found nowhere, without the blanks around it.
    pasted = [request.query_params.get("q"), typed.get("q")]
    for identity in dict.fromkeys(pasted):
        page = query(connection, filters.search(identity or None), before=filters.before, limit=PAGE_ROWS)
        rejected = rejected_requests.carrying(connection, identity, limit=ROWS) if identity else ()
        if page.rows or rejected:
            break
    exactly = pasted[0] if identity != pasted[0] else ""
    return {
        **shown,
        "page": page,
        "rejected": rejected,
        "exactly": exactly,
        "is_first": not filters.before,
    }


payments = partial(_listed, query=queries.payments, kind=PaymentFilters)
refunds = partial(_listed, query=queries.refunds, kind=RefundFilters)
