"""Authenticates a request: the secret key selects the account and mode, a header may select a connected account."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from payment_worker.simulator.api.errors import no_access, unauthorized
from payment_worker.simulator.state import PLATFORM

_API_KEY = re.compile(r"(sk|rk)_\w+")
_LIVE_KEYS = ("sk_live_", "rk_live_")
_KEY_OF_AN_ACCOUNT = re.compile(r"(?:sk|rk)_(?:test|live)_5(1[A-Za-z0-9]{15})")
"""Stripe's own keys tell whose they are: `sk_test_51AbC…` is a key of `acct_1AbC…`."""
_ACCOUNT = re.compile(r"acct_\w+")


@dataclass(frozen=True, slots=True)
class Caller:
    """The account whose key was sent, its mode, and the connected account that the request names."""

    platform: str
    livemode: bool
    connected: str | None

    @property
    def account_id(self) -> str:
        """The account that the request is about."""
        return self.connected or self.platform


def authenticate(headers: Mapping[bytes, bytes], api_keys: frozenset[str]) -> Caller:
    """Whose request it is. Raises RequestError without a good key.

    Any secret or restricted key is good when `api_keys` is empty.
    """
    given = _credential(headers.get(b"authorization", b"").decode("latin-1"))
    if not given:
        raise unauthorized("You did not provide an API key in the Authorization header.")
    good = given in api_keys if api_keys else _API_KEY.fullmatch(given) is not None
    if not good:
        raise unauthorized(f"Invalid API Key provided: {given[:8]}****")
    named = headers.get(b"stripe-account", b"").decode("latin-1")
    if named and not _ACCOUNT.fullmatch(named):
        raise no_access(named)
    owner = _KEY_OF_AN_ACCOUNT.match(given)
    platform = PLATFORM if owner is None else f"acct_{owner[1]}"
    return Caller(platform, given.startswith(_LIVE_KEYS), named if named not in ("", platform) else None)


def _credential(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
