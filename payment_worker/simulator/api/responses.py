"""HTTP responses: what Stripe sends, and broken ones for faults."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from payment_worker.simulator import connection_faults
from payment_worker.simulator.api.errors import (
    RequestError,
    forbidden,
    invalid_request,
    key_in_use,
    no_such,
    rate_limited,
    unauthorized,
)
from payment_worker.simulator.api.serialization import to_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_OK = 200
_JSON = "application/json"
_HTML = "text/html"
_INVENTED = to_json({"id": "pi_3invented", "object": "payment_intent", "amount": 1099, "status": "succeeded"})


@dataclass(slots=True)
class Response:
    """A whole response; `is_kept` tells whether an idempotency key remembers it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = _JSON
    is_kept: bool = False


def error_response(error: RequestError) -> Response:
    """The response of an error."""
    return Response(
        error.status, to_json({"error": error.error}).encode(), error.headers, is_kept=error.is_kept
    )


async def send_response(send: Send, response: Response, *, length: int | None = None) -> None:
    """Send it, with a `Content-Length` that tells the truth unless another is given."""
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body) if length is None else length).encode()),
        *((name.lower().encode(), value.encode()) for name, value in response.headers.items()),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    whole = length is None or length == len(response.body)
    await send({"type": "http.response.body", "body": response.body, "more_body": not whole})


def _error(status: int, message: str, *, code: str | None = None) -> Response:
    error = {"message": message, "type": "api_error" if code is None else "invalid_request_error"}
    if code is not None:
        error["code"] = code
    return Response(status, to_json({"error": error}).encode())


def _page(status: int, title: str) -> Response:
    return Response(status, f"<html><head><title>{title}</title></head></html>".encode(), content_type=_HTML)


def server_error() -> Response:
    """Stripe's 500."""
    return _error(500, "Sorry! An error occurred on our side. We have been notified.")


def _not_to_be_retried() -> Response:
    response = server_error()
    response.headers["Stripe-Should-Retry"] = "false"
    return response


_REPLACEMENTS: dict[str, Callable[[str], Response]] = {
    "server_error": lambda _key: server_error(),
    "server_error_unstored": lambda _key: server_error(),
    "retry_header": lambda _key: _not_to_be_retried(),
    "rate_limited": lambda _key: error_response(rate_limited()),
    "lock_timeout": lambda _key: _error(
        429, "This object cannot be accessed right now: another request holds it.", code="lock_timeout"
    ),
    "rate_limited_html": lambda _key: _page(429, "429 Too Many Requests"),
    "bad_gateway": lambda _key: _page(502, "502 Bad Gateway"),
    "unavailable": lambda _key: _error(503, "Stripe is temporarily unavailable."),
    "conflict": lambda key: error_response(key_in_use(key)),
    "unauthorized": lambda _key: error_response(unauthorized("Invalid API Key provided.")),
    "forbidden": lambda _key: error_response(forbidden()),
    "bad_request": lambda _key: error_response(
        invalid_request("Invalid request.", param="payment_method", code="parameter_invalid_empty")
    ),
    "not_found": lambda _key: error_response(no_such("object", "the id", param="id", status=404)),
    "empty": lambda _key: Response(_OK, b""),
}


def faulty(kind: str, key: str | None) -> Response | None:
    """The response that a fault puts in the place of the true one; None for kinds that break or delay it."""
    replacement = _REPLACEMENTS.get(kind)
    return None if replacement is None else replacement(key or "")


async def send_broken(
    kind: str, response: Response | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Break off in the way of the fault, with the true response if there is one or else an invented one."""
    whole = response or Response(_OK, _INVENTED.encode())
    half = Response(whole.status, whole.body[: len(whole.body) // 2], whole.headers)
    match kind:
        case "hang":
            await receive()  # the body was read: what comes next is the client's hanging up
        case "cut_body":
            await send_response(send, half)
        case "cut_connection":
            await send_response(send, half, length=len(whole.body))
            await connection_faults.hang_up(dict(scope))
        case _:
            await connection_faults.reset(dict(scope))
