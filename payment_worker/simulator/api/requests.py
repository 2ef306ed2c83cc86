"""A request as it was understood, and what it is about."""

from dataclasses import dataclass
from typing import Any

from payment_worker.simulator.api.answers import Receive
from payment_worker.simulator.api.endpoints import Endpoint
from payment_worker.simulator.control.journal import Entry
from payment_worker.simulator.world import Account


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
