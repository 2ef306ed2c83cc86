"""Authenticates and authorises users of the console: HTTP Basic, or the header of an authenticating proxy."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.requests import Request

from payment_worker.settings import Settings

LONGEST_NAME: Final = 100
"""Characters of a user's name: it stands in the history of whatever they do."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who was authenticated."""

    name: str
    may_act: bool
    """False: may read only."""

    @property
    def actor(self) -> str:
        """What the history says of whoever acts."""
        return f"{self.name} in the console"


class Access:
    """Authenticates requests."""

    def __init__(self, chosen: Settings) -> None:
        pairs = (pair.get_secret_value().partition(":") for pair in chosen.console_auth)
        self._passwords: Mapping[str, bytes] = {name: _digest(password) for name, _, password in pairs}
        self._operators = frozenset(chosen.console_operators)
        self._header = chosen.console_user_header
        self._proxies = [ip_network(each) for each in chosen.console_proxies]

    def user(self, request: Request) -> User | None:
        """Who sends this request; None where it does not prove who."""
        name = self._by_proxy(request) or self._by_password(request.headers.get("authorization", ""))
        return User(name, name in self._operators) if name else None

    def _by_proxy(self, request: Request) -> str | None:
        if not self._header or not self._is_proxy(request):
            return None
        # Twice means that the browser's own came through: neither is believed.
        names: Sequence[str] = request.headers.getlist(self._header)
        name = names[0].strip() if len(names) == 1 else ""
        return name if 0 < len(name) <= LONGEST_NAME else None

    def _is_proxy(self, request: Request) -> bool:
        if request.client is None:
            return False
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _by_password(self, authorization: str) -> str | None:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:  # no base64, or no UTF-8 in it
            return None
        # Compared for an unknown name, too: how long it takes must not tell which names there are.
        is_right = hmac.compare_digest(_digest(password), self._passwords.get(name, _digest("")))
        return name if is_right and name in self._passwords else None


def _digest(password: str) -> bytes:
    return sha256(password.encode()).digest()
