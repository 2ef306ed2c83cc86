"""The console's lists of payments and refunds, with search and filters."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, StringConstraints, ValidationError
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

Status = TypeVar("Status", bound=str)
Amount = Annotated[Decimal, Field(ge=0, le=10**12)]


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), tzinfo=UTC)


Day = Annotated[datetime, BeforeValidator(_midnight), Field(lt=_midnight("9999-12-31"))]
"""A day that another follows."""


class Filters(BaseModel, Generic[Status]):
    """What a list can be filtered by, as its form has it."""

    status: Status | None = None
    disputed: bool = False
    account: str | None = None
    currency: Annotated[str, StringConstraints(to_upper=True)] | None = None
    least: Amount | None = None
    most: Amount | None = None
    since: Day | None = None
    until: Day | None = None
    before_at: AwareDatetime | None = None
    before_id: UUID | None = None

    def search(self, identity: str | None) -> Search:
        """The rows that are wanted."""
        known = CURRENCIES.get(self.currency or "")
        exponent = known.exponent if known else CENTS
        return Search(
            identity=identity,
            status=self.status,
            is_disputed=self.disputed,
            account="" if self.account == PLATFORM else self.account,
            currency=self.currency,
            least=None if self.least is None else round(self.least.scaleb(exponent)),
            most=None if self.most is None else round(self.most.scaleb(exponent)),
            since=self.since,
            until=self.until and self.until + DAY,
        )


def _listed(
    connection: Connection,
    request: Request,
    *,
    statuses: type[StrEnum],
    filters: type[Filters[Any]],
    query: Callable[..., Page],
) -> Mapping[str, Any]:
    typed = {name: text.strip() for name, text in request.query_params.items() if text.strip()}
    form = {"given": {name: typed.get(name, "") for name in ("q", *FILTERS)}, "statuses": list(statuses)}
    try:
        asked = filters.model_validate(typed)
    except ValidationError as error:
        faults = [(fault["input"], str(fault["loc"][0])) for fault in error.errors()]
        problems = [f"{text} {FAULTS.get(name, 'is unknown.')}" for text, name in faults]
        return {**form, "problems": problems, "http_status": HTTPStatus.BAD_REQUEST}
    before = Place(asked.before_at, asked.before_id) if asked.before_at and asked.before_id else None
    # As it was pasted, and where that is found nowhere, without the blanks around it.
    pasted = request.query_params["q"] if "q" in typed else None
    for identity in dict.fromkeys((pasted, typed.get("q"))):
        page = query(connection, asked.search(identity), before=before, limit=PAGE_ROWS)
        rejected = rejected_requests.carrying(connection, identity, limit=ROWS) if identity else ()
        if page.rows or rejected:
            break
    exactly = pasted if pasted != identity else None
    return {**form, "page": page, "is_first": not before, "rejected": rejected, "exactly": exactly}


payments = partial(_listed, statuses=PaymentStatus, filters=Filters[PaymentStatus], query=queries.payments)
refunds = partial(_listed, statuses=RefundStatus, filters=Filters[RefundStatus], query=queries.refunds)
