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
from payment_worker.console import ledger, open_work, payment, search
from payment_worker.console.access import Access
from payment_worker.console.actions import ACTIONS, endpoint
from payment_worker.console.context import Console, View
from payment_worker.console.middleware import Guard
from payment_worker.console.overview import overview
from payment_worker.redis.outage import trouble
from payment_worker.store.connection.database import DatabaseUnavailableError

STATIC: Final = {"style.css": "text/css", "icon.svg": "image/svg+xml"}

PAGES: Final[Mapping[str, tuple[str, View]]] = {
    "/payments": ("payments.html", search.payments),
    "/payments/{payment_id:uuid}": ("payment.html", payment.payment),
    "/refunds": ("refunds.html", search.refunds),
    "/findings": ("findings.html", open_work.findings),
    "/events": ("events.html", open_work.events),
    "/requests/rejected": ("rejected.html", open_work.rejected),
    "/unknown": ("unknown.html", open_work.unknown),
    "/balance": ("balance.html", ledger.balance),
    "/payouts": ("payouts.html", ledger.payouts),
    "/payouts/{payout_id}": ("payout.html", ledger.payout),
    "/actions": ("actions.html", open_work.actions),
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
            *(
                Route(path, partial(console.page, template=template, view=view))
                for path, (template, view) in PAGES.items()
            ),
            *(
                Route(path, endpoint(console, action, following), methods=["POST"])
                for path, (action, following) in ACTIONS.items()
            ),
        ],
        exception_handlers={kind: partial(_failed, console) for kind in FAULTS},
        lifespan=lifespan,
    )
    return Guard(app, access=access, clock=now)


async def _file(_: Request, *, name: str) -> Response:
    content = files("payment_worker.console").joinpath("static", name).read_bytes()
    cached = {"cache-control": "private, max-age=300"}
    return Response(content, media_type=STATIC[name], headers=cached)


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
