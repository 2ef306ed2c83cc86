"""Searches PaymentIntents, charges and customers; like Stripe's, the index lags."""

from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any

from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.api.pagination import LARGEST_LIMIT, LIMIT
from payment_worker.simulator.resources.query import parse
from payment_worker.simulator.state import Context, Json

_CARD = "payment_method_details.card"
_FIELDS: dict[str, dict[str, str]] = {
    "payment_intents": {
        "amount": "number", "created": "number", "currency": "token", "customer": "token",
        "metadata": "metadata", "status": "token",
    },
    "charges": {
        "amount": "number", "billing_details.address.postal_code": "token", "created": "number",
        "currency": "token", "customer": "token", "disputed": "token", "metadata": "metadata",
        f"{_CARD}.brand": "token", f"{_CARD}.exp_month": "number", f"{_CARD}.exp_year": "number",
        f"{_CARD}.fingerprint": "token", f"{_CARD}.last4": "token", "refunded": "token", "status": "token",
    },
    "customers": {
        "created": "number", "email": "string", "metadata": "metadata", "name": "string", "phone": "string",
    },
}  # fmt: skip
"""https://docs.stripe.com/search#supported-query-fields-for-each-resource."""


def _search(context: Context, _object_id: str, params: dict[str, Any], *, name: str) -> Json:
    """One page of what a query finds, newest first. Raises RequestError for a query that Stripe would not take."""
    limit = params.get("limit", LIMIT)
    if not 1 <= limit <= LARGEST_LIMIT:
        raise invalid_request(f"Invalid limit: must be from 1 to {LARGEST_LIMIT}", param="limit")
    holds = parse(params["query"], _FIELDS[name])
    records: Mapping[str, Json] = getattr(context.account, name)
    indexed_until = context.state.stripe_time() - context.state.settings.search_lag_seconds
    found = (
        record
        for record in reversed(records.values())  # type: ignore[call-overload]
        if record["created"] <= indexed_until and holds(record)
    )
    skipped = _offset(params.get("page"))
    data = list(islice(found, skipped, skipped + limit + 1))
    has_more = len(data) > limit
    return {
        "object": "search_result",
        "data": data[:limit],
        "has_more": has_more,
        "next_page": f"page_{skipped + limit}" if has_more else None,
        "url": f"/v1/{name}/search",
    }


def _offset(page: str | None) -> int:
    if page is None:
        return 0
    number = page.removeprefix("page_")
    if not number.isdecimal():
        raise invalid_request("Invalid page: use the next_page of the response before.", param="page")
    return int(number)


payment_intents = partial(_search, name="payment_intents")
charges = partial(_search, name="charges")
customers = partial(_search, name="customers")
