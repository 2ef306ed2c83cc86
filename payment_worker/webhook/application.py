"""The ASGI application: `/webhooks/stripe`, `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payment_worker.webhook.readiness import Readiness
from payment_worker.webhook.receiver import Receiver
from payment_worker.webhook.responses import ANSWERS

PATH = "/webhooks/stripe"


def application(receiver: Receiver, readiness: Readiness, *, close: Callable[[], None]) -> Starlette:
    """The ASGI application; `close` is called after the last response."""

    async def webhook(request: Request) -> Response:
        outcome = await receiver.receive(request)
        return JSONResponse({"outcome": outcome.value}, ANSWERS[outcome])

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        fault = await readiness.fault()
        if fault:
            return JSONResponse({"ready": False, "reason": fault}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"ready": True})

    async def metrics(_: Request) -> Response:
        exposition = await run_in_threadpool(receiver.metrics.exposition)
        return Response(exposition, media_type=receiver.metrics.content_type)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        close()

    return Starlette(
        routes=[
            Route(PATH, webhook, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        lifespan=lifespan,
    )
