"""Who asks: a secret key, and perhaps on behalf of a connected account."""

import base64
import binascii
import re
from collections.abc import Mapping

from payment_worker.simulator.api.refusals import no_access, unauthorized

_API_KEY = re.compile(r"(sk|rk)_\w+")
_ACCOUNT = re.compile(r"acct_\w+")


def who_asks(headers: Mapping[bytes, bytes], api_keys: frozenset[str]) -> str | None:
    """The connected account that is meant, None for the platform's own. Raises a refusal without a good key.

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
    return named or None


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
