"""Middleware of the console: authentication, security headers, access log, error page."""

import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from payment_worker.console.access import Access, User
from payment_worker.telemetry import logger
from payment_worker.telemetry.exceptions import described

log = logger(__name__)

OPEN_PATH: Final = "/healthz"
"""What needs no authentication, and tells nothing."""

HEADERS: Final = {
    # No script runs, whatever a page should ever hold; nothing is loaded from, sent to or framed by another host.
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
NUL: Final = b"%00"


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, access: Access, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._access = access
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, began, status = Request(scope, receive), time.monotonic(), 0
        request.state.now, request.state.user = self._clock(), None

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._answer(request, send_guarded)
        if request.url.path != OPEN_PATH:
            log.info(
                "page",
                method=request.method,
                path=request.url.path,
                status=status,
                user=request.state.user and request.state.user.name,
                address=self._access.client_address(request),
                seconds=round(time.monotonic() - began, 4),
            )

    async def _answer(self, request: Request, send: Send) -> None:
        try:
            if request.url.path != OPEN_PATH:
                request.state.user = self._user(request)
            await self._app(request.scope, request.receive, send)
        except HTTPException as refused:
            answer = PlainTextResponse(refused.detail, refused.status_code, refused.headers)
            await answer(request.scope, request.receive, send)
        except Exception as bug:  # noqa: BLE001 - its text may hold anything, and is shown to nobody
            # Starlette has answered, and raises it again.
            log.error("page failed", path=request.url.path, error=described(bug))  # noqa: TRY400 - as above

    def _user(self, request: Request) -> User:
        user = self._access.authenticate(request)
        if NUL in request.scope["query_string"]:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "PostgreSQL has no NUL character.")
        return user
