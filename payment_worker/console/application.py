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

from payment_worker.console import ledger, open_work, overview, payment, search
from payment_worker.console.access import Access
from payment_worker.console.actions import ACTIONS, endpoint
from payment_worker.console.context import Console
from payment_worker.console.middleware import Guard
from payment_worker.redis.outage import trouble
from payment_worker.store.connection.database import DatabaseUnavailableError

STYLE: Final = files("payment_worker.console").joinpath("static", "style.css").read_bytes()
ICON: Final = files("payment_worker.console").joinpath("static", "icon.svg").read_bytes()

View = Callable[[Console, Request], Response]
PAGES: Final[Mapping[str, View]] = {
    "/": overview.overview,
    "/payments": search.payments,
    "/payments/{payment_id:uuid}": payment.payment,
    "/refunds": search.refunds,
    "/findings": open_work.findings,
    "/events": open_work.events,
    "/requests/rejected": open_work.rejected,
    "/unknown": open_work.unknown,
    "/balance": ledger.balance,
    "/payouts": ledger.payouts,
    "/payouts/{payout_id}": ledger.payout,
    "/actions": open_work.actions,
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

    async def file(_: Request, *, content: bytes, media_type: str) -> Response:
        return Response(content, media_type=media_type, headers={"cache-control": "private, max-age=300"})

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/style.css", partial(file, content=STYLE, media_type="text/css")),
            Route("/icon.svg", partial(file, content=ICON, media_type="image/svg+xml")),
            *(Route(path, partial(view, console)) for path, view in PAGES.items()),
            *(
                Route(path, endpoint(console, action, following), methods=["POST"])
                for path, (action, following) in ACTIONS.items()
            ),
        ],
        exception_handlers={kind: partial(_failed, console) for kind in FAULTS},
        lifespan=lifespan,
    )
    return Guard(app, access=access)


def _described(error: Exception) -> tuple[HTTPStatus, str]:
    match error:
        case HTTPException():
            return HTTPStatus(error.status_code), error.detail
        case DatabaseUnavailableError():
            said = f"PostgreSQL cannot serve now: {error}. The overview tells what to do."
            return HTTPStatus.SERVICE_UNAVAILABLE, said
        case BrokerError() | RedisError():
            said = f"Redis cannot serve now: {trouble(error)}. Nothing was done."
            return HTTPStatus.SERVICE_UNAVAILABLE, said
    return HTTPStatus.INTERNAL_SERVER_ERROR, "This is a bug of the console's; its log says where."


async def _failed(console: Console, request: Request, error: Exception) -> Response:
    status, said = _described(error)
    return console.pages.page(request, "fault.html", http_status=status, title=status.phrase, said=said)
