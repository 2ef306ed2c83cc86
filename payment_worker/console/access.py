"""Authenticates and authorises users of the console: HTTP Basic, or the header of an authenticating proxy."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.requests import Request

from payment_worker.console.login_throttle import LoginThrottle
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


@dataclass(frozen=True, slots=True)
class Denied:
    """Nobody was authenticated."""

    retry_after_seconds: int = 0
    """Above 0: too many passwords were wrong, and this one was not looked at."""


class Access:
    """Authenticates requests."""

    def __init__(self, chosen: Settings) -> None:
        pairs = (pair.get_secret_value().partition(":") for pair in chosen.console_auth)
        self._passwords: Mapping[str, bytes] = {name: _digest(password) for name, _, password in pairs}
        self._operators = frozenset(chosen.console_operators)
        self._header = chosen.console_user_header
        self._proxies = [ip_network(each) for each in chosen.console_proxies]
        self._throttle = LoginThrottle()

    def authenticate(self, request: Request) -> User | Denied:
        """Who sends this request."""
        by_proxy = self._by_proxy(request)
        if by_proxy:
            return self._user(by_proxy)
        given = _credentials(request.headers.get("authorization", ""))
        if given is None:
            return Denied()
        address = self.client_address(request)
        if wait := self._throttle.wait_seconds(address):
            return Denied(wait)
        name, password = given
        # Compared for an unknown name, too: how long it takes must not tell which names there are.
        is_right = hmac.compare_digest(_digest(password), self._passwords.get(name, _digest("")))
        is_right &= name in self._passwords
        self._throttle.count(address, is_right=is_right)
        return self._user(name) if is_right else Denied()

    def client_address(self, request: Request) -> str:
        """The address that a request comes from; where a proxy sent it, the one that the proxy names."""
        if self._is_proxy(request):
            # Only the last is of the proxy's own making.
            forwarded = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
            if _is_address(forwarded):
                return forwarded
        return request.client.host if request.client else ""

    def _user(self, name: str) -> User:
        return User(name, name in self._operators)

    def _by_proxy(self, request: Request) -> str | None:
        if not self._header or not self._is_proxy(request):
            return None
        # Twice means that the browser's own came through: neither is believed.
        names: Sequence[str] = request.headers.getlist(self._header)
        name = names[0].strip() if len(names) == 1 else ""
        return name if 0 < len(name) <= LONGEST_NAME else None

    def _is_proxy(self, request: Request) -> bool:
        peer = request.client.host if request.client else ""
        return _is_address(peer) and any(ip_address(peer) in network for network in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _credentials(authorization: str) -> tuple[str, str] | None:
    """The name and the password of HTTP Basic; None where there are none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base64, or no UTF-8 in it
        return None
    return name, password


def _digest(password: str) -> bytes:
    return sha256(password.encode()).digest()
