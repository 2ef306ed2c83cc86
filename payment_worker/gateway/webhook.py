"""Verifies the signature of a webhook and parses its event."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import stripe
from stripe import SignatureVerificationError, WebhookSignature

from payment_worker.domain.accounts import account_name

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be where a webhook comes in over HTTP: Stripe's own default.

It is no protection of ours, for an event that comes twice is stored once. A request that waited in a queue is older.
"""

PINNED_VERSION: Final[str] = stripe.api_version
"""The API version of the SDK, which every object that we read must have."""


THIN: Final = "v2.core.event"
"""What the `object` of a thin event is: it names the object that changed, and does not carry it."""

CLIENT_SECRET: Final = re.compile(r"\w{1,64}_secret_\w+", re.ASCII)
"""Stripe's form of them, alone or within an address."""

BEFORE_SECRET: Final = 64
"""Characters that it may have before the word: searching only there takes a fifth of the time."""

LONGEST_WORD: Final = 255
"""Stripe's limit for ids. An index of PostgreSQL holds no value of some thousand characters."""


class BadSignatureError(Exception):
    """The payload was not signed with any of the endpoint's secrets, or too long ago."""


class BadPayloadError(Exception):
    """The payload is no event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A Stripe event, with its object as it was when the event was created."""

    event_id: str
    type: str
    stripe_account: str
    """As our rows name it; empty for the default account. Of an event with a `context`, that."""
    api_version: str | None
    livemode: bool
    created_at: datetime
    object_id: str | None
    payload: dict[str, Any]
    text: str | None = None
    """The payload as JSON, where it came as a text that can be stored as it is."""


def verified(
    payload: str, signature: str, *, secrets: Sequence[tuple[str, str]], tolerance_seconds: int | None = None
) -> Event:
    """The event in a webhook's body.

    Args:
        secrets: all that are valid now, each after the name of its account; Stripe signs with each while one is rolled.
        tolerance_seconds: how old the signature may be; any age without it.

    Raises:
        BadSignatureError: it may not be from Stripe.
        BadPayloadError: it is signed, but no event.
    """
    signed = (name for name, secret in secrets if _is_signed(payload, signature, secret, tolerance_seconds))
    key = next(signed, None)
    if key is None:
        raise BadSignatureError
    event = event_of(payload)
    return replace(event, stripe_account=account_name(key, event.stripe_account)) if key else event


def _is_signed(payload: str, signature: str, secret: str, tolerance_seconds: int | None) -> bool:
    if not signature.isascii():
        return False  # Stripe's library breaks when it compares one (seen with stripe 16.1)
    try:
        return bool(WebhookSignature.verify_header(payload, signature, secret, tolerance_seconds))
    except SignatureVerificationError:
        return False


def event_of(payload: str) -> Event:
    """The event that a JSON text holds.

    Raises:
        BadPayloadError: it holds none.
    """
    try:
        text = _without_secrets(payload)
        body = _DECODER.decode(text)
        # Only an escape can stand for what PostgreSQL does not hold: most payloads need no walk.
        event = event_from(body) if "\\u" in payload else _event(body, text)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        OSError,
        RecursionError,
    ) as fault:
        raise BadPayloadError(type(fault).__name__) from None
    return event


def _without_secrets(text: str) -> str:
    """The same without what would let its reader pay, or see, as the customer: we have no use for it."""
    parts: list[str] = []
    end = 0
    while (at := text.find("_secret_", end)) >= 0 and (
        secret := CLIENT_SECRET.search(text, max(end, at - BEFORE_SECRET))
    ):
        parts += (text[end : secret.start()], "…")
        end = secret.end()
    return "".join(parts) + text[end:] if parts else text


def _no_json(constant: str) -> None:
    # Python reads NaN and Infinity; JSON and PostgreSQL do not.
    raise ValueError(constant)


def _finite(number: str) -> float:
    # Python reads 1e999 as Infinity and 1e-99999 as 0; the latter, and very many digits, PostgreSQL does not take.
    value = float(number)
    if math.isinf(value) or (value == 0 and number.strip("-0.")) or len(number) > LONGEST_WORD:
        raise ValueError(number)
    return value


_DECODER: Final = json.JSONDecoder(parse_constant=_no_json, parse_float=_finite)


def event_from(body: dict[str, Any]) -> Event:
    """The event that Stripe's JSON object is."""
    return _event(_storable(body))


def account_in(stripe_context: str, *, own_account: str) -> str:
    """The connected account that a `context` names, as our own account calls it; empty for our own.

    An organisation names the account before the connected one: `acct_ours/acct_connected`.
    """
    segments = stripe_context.split("/")
    accounts = segments[1:] if segments[0] == own_account else segments
    return accounts[-1] if accounts else ""


def _event(body: dict[str, Any], text: str | None = None) -> Event:
    if body.get("object") == THIN:
        return _thin_event(body)
    event_object = body["data"]["object"]
    return Event(
        event_id=_word(body["id"]),
        type=_word(body["type"]),
        stripe_account=_word(body.get("context") or body.get("account") or ""),
        api_version=_word(body["api_version"]) if body.get("api_version") else None,
        livemode=bool(body.get("livemode")),
        created_at=datetime.fromtimestamp(body["created"], tz=UTC),
        object_id=_word(event_object["id"]) if event_object.get("id") else None,
        payload=body,
        text=text,
    )


def _word(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_WORD:
        raise ValueError("no id, type or version")
    return value


def _thin_event(body: dict[str, Any]) -> Event:
    """The event that a thin one announces: with the id of its snapshot event, where it has one, it is the same."""
    related = body.get("related_object") or {}
    return Event(
        event_id=_word(body.get("snapshot_event") or body["id"]),
        type=_word(body["type"]).removeprefix("v1."),
        stripe_account=_word(body.get("context") or ""),
        api_version=None,
        livemode=bool(body.get("livemode")),
        created_at=datetime.fromisoformat(body["created"]).astimezone(UTC),
        object_id=_word(related["id"]) if related.get("id") else None,
        payload={**body, "request": (body.get("reason") or {}).get("request")},
    )


def _storable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same JSON with NUL and lone surrogates made visible: PostgreSQL's text type cannot hold them."""
    match value:
        case str():
            text = value.replace("\0", "␀").encode("utf-8", "backslashreplace").decode()
            return _without_secrets(text)
        case dict():
            return {_storable(key): _storable(each) for key, each in value.items()}
        case list():
            return [_storable(each) for each in value]
        case _:
            return value
