"""Parses API requests."""

from dataclasses import dataclass
from typing import Any

from payment_worker.simulator.api.authentication import Caller, authenticate
from payment_worker.simulator.api.endpoints.endpoint import Endpoint
from payment_worker.simulator.api.endpoints.routes import route
from payment_worker.simulator.api.errors import no_access
from payment_worker.simulator.api.parameters.form import decode
from payment_worker.simulator.api.responses import Receive, Scope
from payment_worker.simulator.control.faults import Facts
from payment_worker.simulator.control.journal import Entry
from payment_worker.simulator.state import Account, State


@dataclass(slots=True)
class Request:
    """A request as it was understood."""

    method: str
    path: str
    endpoint: Endpoint | None
    object_id: str
    account: Account
    key: str | None
    params: dict[str, Any]
    body: str
    request_id: str
    entry: Entry | None = None

    @property
    def name(self) -> str | None:
        """The endpoint's name, if there is one."""
        return None if self.endpoint is None else self.endpoint.name


def metadata_of(request: Request) -> dict[str, str]:
    """The metadata it sends, or else that of the object it names."""
    given = request.params.get("metadata")
    if isinstance(given, dict):
        return given
    account, params = request.account, request.params
    for name in (request.object_id, params.get("payment_intent"), params.get("charge")):
        for store in (account.payment_intents, account.refunds, account.charges):
            if isinstance(name, str) and name in store:
                found: dict[str, str] = store[name]["metadata"]
                return found
    return {}


def facts_of(request: Request) -> Facts:
    """What a fault may match on."""
    return Facts(
        request.method,
        request.path,
        request.name,
        request.account.id,
        request.key,
        request.params,
        metadata_of(request),
    )


def parse(state: State, api_keys: frozenset[str], scope: Scope, text: str, request_id: str) -> Request:
    """The request, entered into the journal if it may change something. Raises RequestError."""
    headers = dict(scope["headers"])
    account = _account_of(state, authenticate(headers, api_keys))
    method, path = scope["method"], scope["path"]
    routed = route(method, path)
    key = headers.get(b"idempotency-key", b"").decode("latin-1") or None
    request = Request(
        method=method,
        path=path,
        endpoint=routed[0] if routed else None,
        object_id=routed[1] if routed else "",
        account=account,
        key=key if method == "POST" else None,
        params=decode(text),
        body=text if method != "GET" else "",
        request_id=request_id,
    )
    if method != "GET":
        request.entry = _log(state, request)
    return request


def _account_of(state: State, caller: Caller) -> Account:
    state.platforms.add(caller.platform)
    if caller.connected in state.disconnected:
        raise no_access(caller.account_id)
    account = state.account(caller.account_id, livemode=caller.livemode)
    account.platform = caller.platform
    return account


def _log(state: State, request: Request) -> Entry:
    entry = Entry(
        n=len(state.journal.entries) + 1,
        at=state.clock.now(),
        account=request.account.id,
        method=request.method,
        path=request.path,
        endpoint=request.name,
        key=request.key,
        params=request.params,
        body=request.body,
        request_id=request.request_id,
    )
    return state.journal.add(entry)


async def body_of(receive: Receive) -> str:
    """The whole body as text."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts).decode("utf-8", "replace")
