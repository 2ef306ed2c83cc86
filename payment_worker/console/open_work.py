"""The console's pages of open work: findings, events, rejected requests, unknown outcomes, reconciliation runs."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from payment_worker.console.context import Console
from payment_worker.domain.attempts.outcome import explained
from payment_worker.domain.findings.kinds import FindingKind
from payment_worker.flows.events.result import sentence
from payment_worker.flows.replay_request import obstacle_of
from payment_worker.store import operator_actions, rejected_requests, stripe_identity
from payment_worker.store.events import event_list
from payment_worker.store.events.inbox import EventStatus
from payment_worker.store.queries import console as queries
from payment_worker.store.queries.search import LOOKED_AT
from payment_worker.store.reconciliation import findings as stored_findings
from payment_worker.store.reconciliation import reconciliation_runs
from payment_worker.store.reconciliation.findings import FindingStatus

ROWS: Final = 100


def findings(console: Console, request: Request) -> Response:
    """`/findings`."""
    status = _chosen(request, list(FindingStatus), FindingStatus.OPEN)
    statuses = [FindingStatus(status)] if status else list(FindingStatus)
    with console.reading() as connection:
        found = stored_findings.found(connection, statuses=statuses, limit=ROWS)
        currencies = queries.currencies(connection, {each.payment_id for each in found if each.payment_id})
        last = reconciliation_runs.newest(connection, limit=10)
        is_live = stripe_identity.is_live(connection)
    return console.pages.page(
        request,
        "findings.html",
        found=found,
        runs=last,
        currencies=currencies,
        status=status,
        statuses=list(FindingStatus),
        # A newer version may have found others.
        kinds={str(kind): kind for kind in FindingKind},
        rows=ROWS,
        is_live=is_live,
    )


def events(console: Console, request: Request) -> Response:
    """`/events`."""
    status = _chosen(request, list(EventStatus), EventStatus.PARKED)
    type_ = request.query_params.get("type", "").strip()
    # Those that wait or are parked have indexes of their own.
    among = None if status in {EventStatus.PARKED, EventStatus.RECEIVED} and not type_ else LOOKED_AT
    with console.reading() as connection:
        found = event_list.newest(
            connection, status=status or None, type_=type_ or None, limit=ROWS, among=among
        )
    return console.pages.page(
        request,
        "events.html",
        found=found,
        status=status,
        statuses=list(EventStatus),
        type=type_,
        rows=ROWS,
        sentence=sentence,
        among=among,
    )


def rejected(console: Console, request: Request) -> Response:
    """`/requests/rejected`."""
    task = request.query_params.get("task", "").strip()
    with console.reading() as connection:
        found = rejected_requests.newest(connection, task=task or None, limit=ROWS)
    return console.pages.page(
        request, "rejected.html", found=found, task=task, rows=ROWS, obstacle_of=obstacle_of
    )


def unknown(console: Console, request: Request) -> Response:
    """`/unknown`."""
    with console.reading() as connection:
        found = queries.unknown_attempts(connection, limit=ROWS)
    return console.pages.page(request, "unknown.html", found=found, rows=ROWS, explained=explained)


def actions(console: Console, request: Request) -> Response:
    """`/actions`."""
    with console.reading() as connection:
        found = operator_actions.newest(connection, limit=ROWS)
    return console.pages.page(request, "actions.html", found=found, rows=ROWS)


def _chosen(request: Request, statuses: list[str], usual: str) -> str:
    """The status whose rows are wanted; empty for all of them."""
    chosen = request.query_params.get("status", usual)
    return chosen if chosen in statuses else ""
