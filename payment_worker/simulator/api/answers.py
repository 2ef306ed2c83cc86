"""What goes back to the client: a status, headers and a body, or something broken."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from payment_worker.simulator import connections
from payment_worker.simulator.api.refusals import Refusal, forbidden, key_in_use, rate_limited, unauthorized
from payment_worker.simulator.api.writing import written

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_OK = 200
_JSON = "application/json"
_HTML = "text/html"
_INVENTED = written({"id": "pi_3invented", "object": "payment_intent", "amount": 1099, "status": "succeeded"})


@dataclass(slots=True)
class Answer:
    """A whole answer; `kept` tells whether an idempotency key remembers it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = _JSON
    kept: bool = False


def refused(refusal: Refusal) -> Answer:
    """The answer of a refusal."""
    return Answer(
        refusal.status, written({"error": refusal.error}).encode(), refusal.headers, kept=refusal.kept
    )


async def send_answer(send: Send, answer: Answer, *, length: int | None = None) -> None:
    """Send it, with a `Content-Length` that tells the truth unless another is given."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body) if length is None else length).encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    whole = length is None or length == len(answer.body)
    await send({"type": "http.response.body", "body": answer.body, "more_body": not whole})


def _error(status: int, message: str, *, code: str | None = None) -> Answer:
    error = {"message": message, "type": "api_error" if code is None else "invalid_request_error"}
    if code is not None:
        error["code"] = code
    return Answer(status, written({"error": error}).encode())


def _page(status: int, title: str) -> Answer:
    return Answer(status, f"<html><head><title>{title}</title></head></html>".encode(), content_type=_HTML)


def server_error() -> Answer:
    """Stripe's 500."""
    return _error(500, "Sorry! An error occurred on our side. We have been told.")


def _not_to_be_retried() -> Answer:
    answer = server_error()
    answer.headers["Stripe-Should-Retry"] = "false"
    return answer


_REPLACEMENTS: dict[str, Callable[[str], Answer]] = {
    "server_error": lambda _key: server_error(),
    "server_error_unstored": lambda _key: server_error(),
    "retry_header": lambda _key: _not_to_be_retried(),
    "rate_limited": lambda _key: refused(rate_limited()),
    "lock_timeout": lambda _key: _error(
        429, "This object cannot be accessed right now: another request holds it.", code="lock_timeout"
    ),
    "rate_limited_html": lambda _key: _page(429, "429 Too Many Requests"),
    "bad_gateway": lambda _key: _page(502, "502 Bad Gateway"),
    "unavailable": lambda _key: _error(503, "Stripe is temporarily unavailable."),
    "conflict": lambda key: refused(key_in_use(key)),
    "unauthorized": lambda _key: refused(unauthorized("Invalid API Key provided.")),
    "forbidden": lambda _key: refused(forbidden()),
    "empty": lambda _key: Answer(_OK, b""),
}


def faulty(kind: str, key: str | None) -> Answer | None:
    """The answer that a fault puts in the place of the true one; None for kinds that break or delay it."""
    replacement = _REPLACEMENTS.get(kind)
    return None if replacement is None else replacement(key or "")


async def send_broken(kind: str, answer: Answer | None, scope: Scope, receive: Receive, send: Send) -> None:
    """Break off in the way of the fault, with the true answer if there is one or else an invented one."""
    whole = answer or Answer(_OK, _INVENTED.encode())
    half = Answer(whole.status, whole.body[: len(whole.body) // 2], whole.headers)
    match kind:
        case "hang":
            await receive()  # the body was read: what comes next is the client's hanging up
        case "cut_body":
            await send_answer(send, half)
        case "cut_connection":
            await send_answer(send, half, length=len(whole.body))
            await connections.hang_up(dict(scope))
        case _:
            await connections.reset(dict(scope))
