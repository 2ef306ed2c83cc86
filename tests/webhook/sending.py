"""Stripe's side of a webhook, written from its documentation: bodies, signatures, requests."""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

SECRET = "whsec_simulator"
_numbers = itertools.count(1)


def an_event(**others: Any) -> dict[str, Any]:  # noqa: ANN401
    """An ordinary event of nobody's payment."""
    number = f"{time.time_ns()}{next(_numbers)}"
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": "2020-08-27",
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"id": f"pi_{number}", "object": "payment_intent", "metadata": {}}},
        **others,
    }


def written(event: Mapping[str, Any]) -> bytes:
    """The body."""
    return json.dumps(event).encode()


def signature(body: bytes, *secrets: str, age_seconds: int = 0) -> str:
    """The header `Stripe-Signature`, with one signature for each secret."""
    at = int(time.time()) - age_seconds
    signed = f"{at}.".encode() + body
    hashes = [
        hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets or (SECRET,)
    ]
    return ",".join([f"t={at}", *(f"v1={each}" for each in hashes)])


@dataclass(frozen=True)
class CommandResult:
    """What a request came to."""

    status: int
    body: str

    @property
    def outcome(self) -> str:
        return str(json.loads(self.body)["outcome"])


class Sender:
    """Sends requests to one receiver, each over a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.webhooks = f"{url}/webhooks/stripe"
        self._where = urlsplit(url).netloc

    def send(self, body: bytes, header: str | None = None) -> CommandResult:
        """Post a body, rightly signed unless another header is given."""
        sent = signature(body) if header is None else header
        return self.request("POST", "/webhooks/stripe", body, {"Stripe-Signature": sent})

    def get(self, path: str) -> CommandResult:
        return self.request("GET", path)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> CommandResult:
        with closing(HTTPConnection(self._where, timeout=30)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return CommandResult(answer.status, answer.read().decode())
