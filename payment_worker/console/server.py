"""Serves the console: its pages, its forms and what each is answered by."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Final

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from payment_worker import http_server
from payment_worker.console import search, views
from payment_worker.console.access import Access
from payment_worker.console.actions import ACTIONS, act
from payment_worker.console.context import Console, Examine, View
from payment_worker.console.middleware import STATIC, Guard
from payment_worker.console.overview import overview
from payment_worker.redis.outage import trouble
from payment_worker.settings import Settings
from payment_worker.store import operator_actions
from payment_worker.store.connection.database import DatabaseUnavailableError
from payment_worker.store.queries import payouts
from payment_worker.store.queries.console import unknown_attempts
from payment_worker.telemetry import configure

MOST_REQUESTS: Final = 200
BACKLOG: Final = 100

PAGES: Final[Mapping[str, tuple[str, str, View]]] = {
    "/payments": ("Payments", "search.html", search.payments),
    "/payments/{payment_id:uuid}": ("Payment", "payment.html", views.payment),
    "/refunds": ("Refunds", "search.html", search.refunds),
    "/findings": ("Findings", "findings.html", views.findings),
    "/events": ("Events", "events.html", views.events),
    "/requests/rejected": ("Rejected requests", "rejected.html", views.rejected),
    "/unknown": ("Unknown outcomes", "unknown.html", views.listed(unknown_attempts)),
    "/balance": ("Balance", "balance.html", views.balance),
    "/payouts": ("Payouts", "payouts.html", views.listed(payouts.newest)),
    "/payouts/{payout_id}": ("Payout", "payout.html", views.payout),
    "/actions": ("Actions", "actions.html", views.listed(operator_actions.newest)),
}

FAULTS: Final = (HTTPException, DatabaseUnavailableError, BrokerError, RedisError)
"""What a page may end with that is no bug."""


def serve(*, host: str, port: int, examine: Examine) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one.

    Raises:
        SettingsError: with every fault; without authentication it does not start.
        OSError: it cannot listen there.
    """
    chosen = Settings.from_environment(
        needed_by=("broker", "database", "console"), without=("stripe", "webhook")
    )
    configure(log_format=chosen.log_format, level=chosen.log_level)
    http_server.serve(
        partial(_application, chosen, examine),
        started="console started",
        host=host,
        port=port,
        backlog=BACKLOG,
        limit_concurrency=MOST_REQUESTS,
        # The peer's own address decides whether it is the proxy: no header may say otherwise.
        proxy_headers=False,
    )


def _application(chosen: Settings, examine: Examine) -> Starlette:
    console = Console(chosen, examine=examine)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        console.close()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    failed = partial(_failed, console)
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Mount(STATIC, StaticFiles(packages=[("payment_worker.console", "static")])),
            Route("/", partial(overview, console)),
            *(Route(path, partial(console.show, *page)) for path, page in PAGES.items()),
            *(Route(path, partial(act, console, *each), methods=["POST"]) for path, each in ACTIONS.items()),
        ],
        exception_handlers=dict.fromkeys(FAULTS, failed),
        middleware=[Middleware(Guard, access=Access(chosen), failed=failed)],
        lifespan=lifespan,
    )


async def _failed(console: Console, request: Request, error: Exception) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    match error:
        case HTTPException():
            status, said = HTTPStatus(error.status_code), error.detail
        case DatabaseUnavailableError():
            said = f"PostgreSQL cannot serve now: {error}. The overview tells what to do."
        case BrokerError() | RedisError():
            said = f"Redis cannot serve now: {trouble(error)}. Nothing was done."
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            said = "This is a bug of the console's; its log says where."
    return console.render(request, "fault.html", http_status=status, title=status.phrase, said=said)
