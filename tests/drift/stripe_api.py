"""Calls Stripe's API, or its simulator's, and returns errors as answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import stripe

from payment_worker.devstack.waiting import wait_until

Found = TypeVar("Found")
# Events, search and balance transactions come late at Stripe, seldom by more than this.
_PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Answer:
    """One response: what a client may rely on of it."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def error(self) -> dict[str, Any]:
        """Its error, or nothing."""
        return dict(self.body.get("error", {}))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 JSON
        return self.body[name]


class StripeApi:
    """One account, at any address."""

    def __init__(self, key: str, base: str) -> None:
        self._http: Any = stripe.RequestsClient(timeout=30)
        self._key, self._base = key, base
        self._client = stripe.StripeClient(
            key, base_addresses={"api": base}, http_client=self._http, max_network_retries=0
        )

    def post(self, path: str, *, key: str | None = None, **params: Any) -> Answer:  # noqa: ANN401 JSON
        """`POST /v1/{path}`, under an idempotency key if one is given."""
        return self._call("post", path, {**params, "idempotency_key": key or new_key()})

    def get(self, path: str, **params: Any) -> Answer:  # noqa: ANN401 JSON
        """`GET /v1/{path}`."""
        return self._call("get", path, params)

    def with_key(self, key: str) -> "StripeApi":
        """The same address, asked with another API key."""
        return StripeApi(key, self._base)

    def eventually(self, what: str, condition: Callable[[], Found]) -> Found:
        """Ask again until the condition holds: what Stripe says is not always true at once."""
        return wait_until(condition, seconds=_PATIENCE_SECONDS, what=what, every_seconds=0.1)

    def charge(self, payment_method: str = "pm_card_visa", **params: Any) -> Answer:  # noqa: ANN401 JSON
        """A PaymentIntent of 10.99 USD, confirmed off session."""
        ordinary = {
            "amount": 1099,
            "currency": "usd",
            "payment_method": payment_method,
            "confirm": True,
            "off_session": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
        return self.post("payment_intents", **{**ordinary, **params})

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _call(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        try:
            answer = self._client.raw_request(method, f"/v1/{path}", **params)
        except stripe.StripeError as error:
            return Answer(error.http_status or 0, error.json_body or {}, error.headers or {})
        return Answer(answer.code, answer.data, answer.headers)


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return f"drift-{uuid4()}"
