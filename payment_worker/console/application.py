"""The ASGI application of the console: its routes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payment_worker.bootstrap import now
from payment_worker.console import search, views
from payment_worker.console.access import Access
from payment_worker.console.actions import ACTIONS, act
from payment_worker.console.context import Console, View
from payment_worker.console.middleware import Guard
from payment_worker.console.overview import overview
from payment_worker.redis.outage import trouble
from payment_worker.store import operator_actions
from payment_worker.store.connection.database import DatabaseUnavailableError
from payment_worker.store.queries import payouts
from payment_worker.store.queries.console import unknown_attempts

STATIC: Final = {"style.css": "text/css", "icon.svg": "image/svg+xml"}

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

FAULTS: Final = (HTTPException, DatabaseUnavailableError, BrokerError, RedisError, Exception)
"""What a page may end with, and is answered with a page that says so."""


def application(console: Console, access: Access, *, close: Callable[[], None]) -> Guard:
    """The ASGI application; `close` is called once the last request has been answered."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        close()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            *(Route(f"/{name}", partial(_file, name=name)) for name in STATIC),
            Route("/", partial(overview, console)),
            *(Route(path, partial(console.show, *page)) for path, page in PAGES.items()),
            *(Route(path, partial(act, console, *each), methods=["POST"]) for path, each in ACTIONS.items()),
        ],
        exception_handlers={kind: partial(_failed, console) for kind in FAULTS},
        lifespan=lifespan,
    )
    return Guard(app, access=access, clock=now)


async def _file(_: Request, *, name: str) -> Response:
    content = files("payment_worker.console").joinpath("static", name).read_bytes()
    cached = {"cache-control": "private, max-age=300"}
    return Response(content, media_type=STATIC[name], headers=cached)


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
