"""The ASGI application: `/webhooks/stripe`, `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Lifespan, Receive, Scope, Send

from payment_worker.webhook.readiness import Readiness
from payment_worker.webhook.receiver import Receiver
from payment_worker.webhook.responses import ANSWERS

PATH = "/webhooks/stripe"


RESPONSES: Final = {
    outcome: JSONResponse({"outcome": outcome.value}, status) for outcome, status in ANSWERS.items()
}


class Webhook:
    """The endpoint of webhooks: receives one, and answers."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        outcome = await self._receiver.receive(Request(scope, receive))
        await RESPONSES[outcome](scope, receive, send)


class Application(Starlette):
    """Starlette, whose middleware and router webhooks do not go through: they take a tenth of an event's CPU."""

    def __init__(self, webhook: Webhook, *others: Route, lifespan: Lifespan[Starlette]) -> None:
        super().__init__(routes=[Route(PATH, webhook, methods=["POST"]), *others], lifespan=lifespan)
        self._webhook = webhook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        is_webhook = scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST"
        await (self._webhook if is_webhook else super().__call__)(scope, receive, send)


def application(receiver: Receiver, readiness: Readiness, *, close: Callable[[], None]) -> Application:
    """The ASGI application; `close` is called after the last response."""

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

    return Application(
        Webhook(receiver),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        lifespan=lifespan,
    )
