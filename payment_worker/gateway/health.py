"""Whether Stripe can be reached with a key, and what time it is there."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import stripe


@dataclass(frozen=True, slots=True)
class Reached:
    """Stripe answered."""

    date: datetime | None
    """Its clock, to the second."""


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """Stripe answered that it does not know the key."""

    date: datetime | None


@dataclass(frozen=True, slots=True)
class NotReached:
    """No answer, or none of Stripe's."""

    reason: str


def probe(*, api_key: str, api_base: str, timeout_seconds: float) -> Reached | KeyRefused | NotReached:
    """Ask for the balance, which every key belongs to, once and without retries."""
    client = stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base.rstrip("/")},
        http_client=stripe.RequestsClient(timeout=timeout_seconds),
        max_network_retries=0,
    )
    try:
        return Reached(_date(client.raw_request("get", "/v1/balance").headers))
    except stripe.AuthenticationError as error:
        return KeyRefused(_date(error.headers))
    except stripe.PermissionError as error:  # a restricted key that is known, and may not see this
        return Reached(_date(error.headers))
    except stripe.StripeError as error:
        return NotReached(type(error).__name__)


def _date(headers: Any) -> datetime | None:  # noqa: ANN401 - a mapping of some kind
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
