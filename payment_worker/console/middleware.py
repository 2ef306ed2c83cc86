"""Middleware of the console: authentication, security headers, access log, error page."""

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from payment_worker.bootstrap import now
from payment_worker.console.access import Access, User
from payment_worker.telemetry import logger
from payment_worker.telemetry.exceptions import described

log = logger(__name__)

Failed = Callable[[Request, Exception], Awaitable[Response]]
"""The page that says that another could not be shown."""

OPEN_PATH: Final = "/healthz"
"""What needs no authentication, and tells nothing."""

STATIC: Final = "/static"
"""Where what is the same for everybody lies, and may be kept for a while."""

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


class Guard(BaseHTTPMiddleware):
    """Middleware around every page."""

    def __init__(self, app: ASGIApp, *, access: Access, failed: Failed) -> None:
        super().__init__(app)
        self._access = access
        self._failed = failed

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answer one request."""
        began, path = time.monotonic(), request.scope["path"]
        request.state.now, request.state.user = now(), None
        try:
            request.state.user = None if path == OPEN_PATH else self._user(request)
            response = await call_next(request)
        except HTTPException as refused:
            response = PlainTextResponse(refused.detail, refused.status_code, refused.headers)
        except Exception as bug:  # noqa: BLE001 - its text may hold anything, and is shown to nobody
            log.error("page failed", path=path, error=described(bug))  # noqa: TRY400 - as above
            response = await self._failed(request, bug)
        response.headers.update(HEADERS)
        is_kept = path.startswith(STATIC) and response.status_code < HTTPStatus.BAD_REQUEST
        response.headers["cache-control"] = "private, max-age=300" if is_kept else "no-store"
        if path != OPEN_PATH:
            log.info(
                "page",
                method=request.method,
                path=path,
                status=response.status_code,
                user=request.state.user and request.state.user.name,
                address=self._access.client_address(request),
                seconds=round(time.monotonic() - began, 4),
            )
        return response

    def _user(self, request: Request) -> User:
        user = self._access.authenticate(request)
        if NUL in request.scope["query_string"]:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "PostgreSQL has no NUL character.")
        return user
