"""Checks that Stripe is reachable with a key, and reads Stripe's time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import stripe

from payment_worker.gateway.transport.errors import refusal_in

READ: Final = ("payment_intents", "charges", "refunds", "disputes", "radar/early_fraud_warnings", "events")
"""The lists that look-ups, the poll and reconciliation read."""

_NETWORK: Final = (
    ("Name or service not known", "host name unknown"),
    ("name resolution", "host name unknown"),
    ("Failed to resolve", "host name unknown"),
    ("refused", "nothing listens"),
    ("certificate", "the certificate is not trusted"),
    ("timed out", "no answer in time"),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """Stripe responded."""

    date: datetime | None
    """Its clock, to the second."""
    account_id: str | None = None
    """Whose key it is; None where a restricted key may not read that."""
    is_simulator: bool = False
    forbidden: Sequence[str] = ()
    """Reads that we need and that the key may not do, each with what Stripe says is missing."""


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """Stripe responded that it does not know the key."""

    date: datetime | None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class NotReached:
    """No response, or none from Stripe."""

    reason: str


def probe(*, api_key: str, api_base: str, timeout_seconds: float) -> Reached | KeyRefused | NotReached:
    """Try the harmless reads that we need, each once and without retries."""
    client = stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base.rstrip("/")},
        http_client=stripe.RequestsClient(timeout=timeout_seconds),
        max_network_retries=0,
    )
    headers: Mapping[str, str] = {}
    forbidden = []
    for resource in READ:
        try:
            headers = client.raw_request("get", f"/v1/{resource}", limit=1).headers
        except stripe.AuthenticationError as error:
            return KeyRefused(_date(error.headers), refusal_in(error))
        except stripe.PermissionError as error:  # a restricted key that is known, and may not see this
            headers = error.headers or {}
            forbidden.append(f"{resource} ({refusal_in(error) or error.http_status})")
        except stripe.StripeError as error:
            return NotReached(_network_reason(error))
    is_simulator = any(name.lower() == "stripe-simulator" for name in headers)
    return Reached(_date(headers), _account_id(client), is_simulator, tuple(forbidden))


def _account_id(client: stripe.StripeClient) -> str | None:
    try:
        return str(client.raw_request("get", "/v1/account").data["id"])
    except (stripe.StripeError, KeyError, TypeError):
        return None


def _network_reason(error: stripe.StripeError) -> str:
    """A short reason for the missing response: the SDK's text repeats addresses and more."""
    text = str(error)
    reasons = (each for phrase, each in _NETWORK if phrase in text)
    kind = type(error).__name__
    return next((f"{reason}, {kind}" for reason in reasons), kind)


def _date(headers: Any) -> datetime | None:  # noqa: ANN401 - a mapping of some kind
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
