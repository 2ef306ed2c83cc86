"""The console's pages of open work: findings, events, rejected requests, unknown outcomes, reconciliation runs."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from starlette.requests import Request

from payment_worker.console.rendering import ROWS
from payment_worker.domain.attempts.outcome import explained
from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.flows.events.result import sentence
from payment_worker.flows.replay_request import obstacle_of
from payment_worker.store import operator_actions, rejected_requests
from payment_worker.store.connection.database import Connection
from payment_worker.store.events import event_list
from payment_worker.store.events.inbox import EventStatus
from payment_worker.store.queries import console as queries
from payment_worker.store.queries.search import LOOKED_AT
from payment_worker.store.reconciliation import findings as stored_findings
from payment_worker.store.reconciliation import reconciliation_runs
from payment_worker.store.reconciliation.findings import FindingStatus


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
    type_ = request.query_params.get("type", "").strip()
    # Those that wait or are parked have indexes of their own.
    among = None if status in {EventStatus.PARKED, EventStatus.RECEIVED} and not type_ else LOOKED_AT
    return {
        "found": event_list.newest(
            connection, status=status or None, type_=type_ or None, limit=ROWS, among=among
        ),
        "status": status,
        "statuses": list(EventStatus),
        "type": type_,
        "sentence": sentence,
        "among": among,
    }


def rejected(connection: Connection, request: Request) -> Mapping[str, Any]:
    """`/requests/rejected`."""
    task = request.query_params.get("task", "").strip()
    found = rejected_requests.newest(connection, task=task or None, limit=ROWS)
    return {"found": found, "task": task, "obstacle_of": obstacle_of}


def unknown(connection: Connection, _: Request) -> Mapping[str, Any]:
    """`/unknown`."""
    return {"found": queries.unknown_attempts(connection, limit=ROWS), "explained": explained}


def actions(connection: Connection, _: Request) -> Mapping[str, Any]:
    """`/actions`."""
    return {"found": operator_actions.newest(connection, limit=ROWS)}


def _chosen(request: Request, usual: StrEnum) -> str:
    """The status whose rows are wanted; empty for all of them."""
    chosen = request.query_params.get("status", usual)
    return chosen if chosen in list(type(usual)) else ""
