"""Reads what the console's pages show, but for the overview and the lists of payments and refunds."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request

from payment_worker.console.context import View
from payment_worker.console.overview import day_of
from payment_worker.console.rendering import DAY, ROWS
from payment_worker.domain.dispute import BLOCKING
from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.flows.events.result import sentence
from payment_worker.flows.replay_request import obstacle_of
from payment_worker.flows.timeline import story_of
from payment_worker.store import rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_list
from payment_worker.store.events.inbox import EventStatus
from payment_worker.store.queries import console as queries
from payment_worker.store.queries import ledger, totals
from payment_worker.store.queries import payouts as paid_out
from payment_worker.store.queries.search import LOOKED_AT
from payment_worker.store.reconciliation import findings as stored_findings
from payment_worker.store.reconciliation import reconciliation_runs
from payment_worker.store.reconciliation.findings import FindingStatus


def payment(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/payments/{payment_id}`."""
    payment_id: UUID = request.path_params["payment_id"]
    if not queries.exists(connection, payment_id):
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such payment.")
    story = story_of(connection, payment_id)
    disputes = queries.disputes(connection, payment_id)
    held = [each for each in disputes if each["status"] in BLOCKING]
    return {
        "title": f"Payment {payment_id}",
        "payment": story.payment,
        "refunds": story.refunds,
        "disputes": disputes,
        "entries": story.entries,
        "held": [(f"Disputed, {each['status']}", "bad", each["amount"], each["currency"]) for each in held],
        "rejected": rejected_requests.carrying(connection, str(payment_id), limit=ROWS),
    }


def findings(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/findings`."""
    status = _chosen(request, FindingStatus.OPEN)
    statuses = [FindingStatus(status)] if status else list(FindingStatus)
    found = stored_findings.found(connection, statuses=statuses, limit=ROWS)
    payment_ids = {each.payment_id for each in found if each.payment_id}
    return {
        "found": found,
        "currencies": queries.currencies(connection, payment_ids),
        "runs": reconciliation_runs.newest(connection, limit=10),
        "status": status,
        "statuses": list(FindingStatus),
        # A newer version may have found others.
        "kinds": {str(kind): kind for kind in FindingKind},
    }


def events(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/events`."""
    status = _chosen(request, EventStatus.PARKED)
    # Those that wait or are parked have indexes of their own.
    among = None if status in {EventStatus.PARKED, EventStatus.RECEIVED} else LOOKED_AT
    return {
        "found": event_list.newest(
            connection, status=status or None, type_=None, limit=ROWS, newest_of_all=among
        ),
        "status": status,
        "statuses": list(EventStatus),
        "sentence": sentence,
        "among": among,
    }


def rejected(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/requests/rejected`."""
    task, identity = (request.query_params.get(name, "").strip() for name in ("task", "id"))
    if identity:
        found = rejected_requests.carrying(connection, identity, limit=ROWS)
    else:
        found = rejected_requests.newest(connection, task=task or None, limit=ROWS)
    return {"found": found, "task": task, "id": identity, "obstacle_of": obstacle_of}


def balance(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/balance`."""
    day = day_of(request)
    return {
        "found": ledger.balances(connection),
        "uncleared": ledger.uncleared(connection, limit=ROWS),
        "booked": totals.booked(connection, since=day, until=day + DAY),
        "day": day,
    }


def payout(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/payouts/{payout_id}`."""
    payout_id = request.path_params["payout_id"]
    found = None if "\0" in payout_id else paid_out.find(connection, payout_id)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No such payout is imported.")
    lines = paid_out.lines(connection, found.stripe_payout_id, limit=ROWS)
    return {"title": f"Payout {found.stripe_payout_id}", "payout": found, "lines": lines}


def listed(query: Callable[..., Sequence[Any]]) -> View:
    """The view of a query that needs no more than a limit."""
    return lambda connection, _: {"found": query(connection, limit=ROWS)}


def _chosen(request: Request, usual: StrEnum) -> str:
    """The status whose rows are wanted; empty for all of them."""
    chosen = request.query_params.get("status", usual)
    return chosen if chosen in list(type(usual)) else ""
