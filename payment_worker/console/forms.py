"""CSRF tokens and fields of the console's forms."""

import hmac
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException
from starlette.requests import Request

from payment_worker.domain.explained_code import Code
from payment_worker.settings import Settings

TOKEN_SECONDS: Final = 43_200
"""Half a day: a page that was opened this morning still works at noon, and until the next such period ends."""

MOST_BYTES: Final = 65_536
MOST_FIELDS: Final = 500
"""More than a page has rows."""

LONGEST_REASON: Final = 500

Form = ImmutableMultiDict[str, str]
"""The fields of a form that was sent, those that are not empty."""


class Done(Code):
    """What a form did: a code, for the address of the next page, and a sentence for people."""

    CLOSED = "closed", "The finding is closed. It is open again once the same difference is seen again."
    REPLAYED = "replayed", "The events are due; the next sweep hands them to workers."
    DISCARDED = "discarded", "The events are set aside. Replay them to bring them back."
    SENT = "sent", "The request was sent again."
    SENT_BEFORE = "sent_before", "The request had been sent again before, and was not now."
    PAUSED = "paused", "Paused. Every worker obeys within two seconds."
    RESUMED = "resumed", "Resumed. What waited for it is due now."


class Tokens:
    """Makes and checks the tokens of forms: nothing is stored, and every process with these settings agrees."""

    def __init__(self, chosen: Settings, *, clock: Callable[[], datetime]) -> None:
        secrets = [*chosen.console_auth, *([chosen.database_url] if chosen.database_url else [])]
        known = "\0".join(secret.get_secret_value() for secret in secrets)
        self._key = sha256(f"console form token\0{known}".encode()).digest()
        self._clock = clock

    def make(self, user: str, *, age: int = 0) -> str:
        """The token of this user's forms, of the present period or of one before it."""
        period = int(self._clock().timestamp() // TOKEN_SECONDS) - age
        return hmac.new(self._key, f"{period}\0{user}".encode(), sha256).hexdigest()

    def is_valid(self, user: str, token: str) -> bool:
        """Whether a page of ours gave it to this user, not long ago."""
        return any(hmac.compare_digest(self.make(user, age=age).encode(), token.encode()) for age in (0, 1))


def refused(why: str) -> HTTPException:
    """What a form that is not obeyed is answered with."""
    return HTTPException(HTTPStatus.BAD_REQUEST, why)


def reason_of(form: Form) -> str:
    """Why somebody does it.

    Raises:
        HTTPException: they do not say.
    """
    reason = form.get("reason", "").strip()
    if not reason:
        raise refused("Say why: it is kept with your name.")
    if len(reason) > LONGEST_REASON:
        raise refused(f"Say why in at most {LONGEST_REASON} characters.")
    return reason


async def read(request: Request) -> Form:
    """The form that a request carries.

    Raises:
        HTTPException: it is too large, or none that can be stored.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise refused("The form is too large.")
    try:
        fields = parse_qsl(body.decode(), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise refused("That is no form.") from None
    if any("\0" in text for _, text in fields):
        raise refused("PostgreSQL has no NUL character.")
    return ImmutableMultiDict(fields)
