"""Searches a list of Stripe's for one object, page by page, to prove that it is absent."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from math import inf
from typing import Any, Final

import stripe

from payment_worker.domain.attempts.outcome import (
    Absent,
    LookupResult,
    Postponed,
    ScanIncomplete,
    ScanResult,
    Unanswered,
    UnknownReason,
)
from payment_worker.gateway.parsing import JSON, UnreadableError
from payment_worker.gateway.requests import MAC
from payment_worker.gateway.transport.connection import Connection
from payment_worker.gateway.transport.errors import outcome_of, sighting_of
from payment_worker.gateway.transport.retries import Seconds

PAGE: Final = 100
"""Objects a page; Stripe's limit."""

MOST_TRIES_OF_A_PAGE: Final = 3
QUICK_SECONDS: Final = 1.0
BREATH_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanQuery:
    """An object on a list, and how it is recognised."""

    path: str
    params: Mapping[str, Any]
    account: str
    is_ours: Callable[[JSON], bool]
    read: Callable[[JSON], LookupResult]


PROOFS: Final = ("payment_id", "refund_id", MAC)
"""Our metadata that identify an object."""


def shows_what_was_sent(body: JSON, parameters: Mapping[str, Any]) -> bool:
    """Whether an object has the ids and the MAC that were sent to make it, its amount and its currency.

    These parameters are stored with their key, so that this needs no secret, which may be another by now.
    """
    shown, sent = body["metadata"] or {}, parameters["metadata"]
    are_equal = [compare_digest(_bytes(shown.get(name)), _bytes(sent.get(name))) for name in PROOFS]
    return all(are_equal) and all(
        body[name] == parameters[name] for name in ("amount", "currency") if name in parameters
    )


def _bytes(value: object) -> bytes:
    return str(value).encode(errors="replace")


def find(
    connection: Connection, query: ScanQuery, *, after: str | None = None, time_left: Seconds = lambda: inf
) -> ScanResult:
    """Read the list page by page, until the object is found, the list is at its end, or the time is up.

    Args:
        connection: where the list is read.
        query: the object that is looked for.
        after: the object on the list after which an earlier look-up continues.
        time_left: seconds in which pages may be read. One is read in any case.
    """
    read_to = after
    while True:
        result = _search_page(connection, query, after=read_to)
        match result:
            case ScanIncomplete() if time_left() < connection.timeout_seconds:
                return result
            case ScanIncomplete(last_id):
                read_to = last_id
            case Unanswered() | Postponed() if read_to is not None and read_to != after:
                # What was read before the page that failed need not be read again.
                return ScanIncomplete(read_to)
            case _:
                return result


def _search_page(connection: Connection, query: ScanQuery, *, after: str | None) -> ScanResult:
    """One page; the first where the object that it should begin after is gone."""
    try:
        page = _read_page(connection, query, after=after)
        matching = [each for each in page["data"] if query.is_ours(each)]
        if matching:
            return query.read(matching[0])
        return ScanIncomplete(page["data"][-1]["id"]) if page["has_more"] else Absent()
    except stripe.InvalidRequestError as error:
        return (
            sighting_of(outcome_of(error)) if after is None else _search_page(connection, query, after=None)
        )
    except stripe.StripeError as error:
        return sighting_of(outcome_of(error))
    except (UnreadableError, KeyError, TypeError, IndexError):
        return Unanswered(UnknownReason.TRUNCATED_ANSWER)


def _read_page(connection: Connection, query: ScanQuery, *, after: str | None) -> JSON:
    """One page of a list, retried if it fails quickly; otherwise a long list would never be read to its end."""
    params = {**query.params, "limit": PAGE, "starting_after": after}
    began = time.monotonic()
    for _ in range(MOST_TRIES_OF_A_PAGE - 1):
        try:
            return connection.ask(query.path, params, query.account)
        except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError):
            if time.monotonic() - began > QUICK_SECONDS:
                raise
            time.sleep(BREATH_SECONDS)
    return connection.ask(query.path, params, query.account)
