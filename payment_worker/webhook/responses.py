"""The responses to a webhook: status, body and metric label of each."""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final


class Outcome(StrEnum):
    """The outcome of one webhook; the values are the labels in metrics and logs."""

    STORED = "stored"
    KNOWN = "known"
    """It was stored before: Stripe sends events more than once."""
    BAD_SIGNATURE = "bad_signature"
    BAD_BODY = "bad_body"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    GONE = "gone"
    """The sender hung up before it had sent everything."""
    UNAVAILABLE = "unavailable"
    """PostgreSQL could not store it in time; Stripe will send it again."""
    BROKEN = "broken"
    """A bug of ours; Stripe will send it again."""


ANSWERS: Final[Mapping[Outcome, HTTPStatus]] = MappingProxyType(
    {
        Outcome.STORED: HTTPStatus.OK,
        Outcome.KNOWN: HTTPStatus.OK,
        Outcome.BAD_SIGNATURE: HTTPStatus.BAD_REQUEST,
        Outcome.BAD_BODY: HTTPStatus.BAD_REQUEST,
        Outcome.GONE: HTTPStatus.BAD_REQUEST,
        Outcome.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Outcome.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
        Outcome.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Outcome.BROKEN: HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)
"""Only 200 ends Stripe's retries, so only what is committed gets it."""
