"""Middleware of the console: authentication, security headers, access log, error page."""

import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from payment_worker.console.access import Access, Denied, User
from payment_worker.telemetry import logger
from payment_worker.telemetry.exceptions import described

log = logger(__name__)

OPEN_PATHS: Final = frozenset({"/healthz"})
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
NEVER_STORED: Final = "no-store"

CHALLENGE: Final = 'Basic realm="Payment Worker", charset="UTF-8"'


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
        request = Request(scope, receive)
        began, status = time.monotonic(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", NEVER_STORED)
            await send(message)

        who = None if request.url.path in OPEN_PATHS else self._access.authenticate(request)
        if isinstance(who, Denied):
            await _denied(who)(scope, receive, send_guarded)
        elif NUL in scope["query_string"]:
            refused = PlainTextResponse("PostgreSQL has no NUL character.", HTTPStatus.BAD_REQUEST)
            await refused(scope, receive, send_guarded)
        else:
            await self._answer(request, who, send_guarded)
        if request.url.path not in OPEN_PATHS:
            log.info(
                "page",
                method=request.method,
                path=request.url.path,
                status=status,
                user=who.name if isinstance(who, User) else None,
                address=self._access.client_address(request),
                seconds=round(time.monotonic() - began, 4),
            )

    async def _answer(self, request: Request, user: User | None, send: Send) -> None:
        request.state.user, request.state.now = user, self._clock()
        try:
            await self._app(request.scope, request.receive, send)
        except Exception as bug:  # noqa: BLE001 - its text may hold anything, and is shown to nobody
            # Starlette has answered, and raises it again.
            log.error("page failed", path=request.url.path, error=described(bug))  # noqa: TRY400 - as above


def _denied(denied: Denied) -> PlainTextResponse:
    if denied.retry_after_seconds:
        wait = {"retry-after": str(denied.retry_after_seconds)}
        return PlainTextResponse("Too many wrong passwords. Wait.", HTTPStatus.TOO_MANY_REQUESTS, wait)
    challenge = {"www-authenticate": CHALLENGE}
    return PlainTextResponse("Not authenticated.", HTTPStatus.UNAUTHORIZED, challenge)
