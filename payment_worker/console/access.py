"""Authenticates and authorises users of the console, and limits wrong passwords by client address and in all.

By HTTP Basic, or the header of an authenticating proxy.
"""

import base64
import hmac
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from payment_worker.settings import Settings

LONGEST_NAME: Final = 100
"""Characters of a user's name: it stands in the history of whatever they do."""

CHALLENGE: Final = 'Basic realm="Payment Worker", charset="UTF-8"'

WINDOW_SECONDS: Final = 300
MOST_BY_ADDRESS: Final = 10
"""In that time: enough for a person who mistypes, and 2,880 a day for whoever guesses."""
MOST_IN_ALL: Final = 100
"""In that time, from whatever addresses. It also bounds the memory."""
KNOWN_ADDRESSES: Final = 100
"""From which a right password came: the limit in all does not lock them out, so nobody else can."""
_NETWORK_BITS: Final = 64
"""One customer of a provider has as many addresses of IPv6."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who was authenticated."""

    name: str
    may_act: bool
    """False: may read only."""


class Access:
    """Authenticates requests."""

    def __init__(self, chosen: Settings) -> None:
        pairs = (pair.get_secret_value().partition(":") for pair in chosen.console_auth)
        self._passwords: Mapping[str, bytes] = {name: _digest(password) for name, _, password in pairs}
        self._operators = frozenset(chosen.console_operators)
        self._header = chosen.console_user_header
        self._proxies = [ip_network(each) for each in chosen.console_proxies]
        self._throttle = LoginThrottle()

    def authenticate(self, request: Request) -> User:
        """Who sends this request.

        Raises:
            HTTPException: nobody who is known, or the password was not looked at after too many wrong ones.
        """
        name = self._named_by_proxy(request) or self._named_by_password(request)
        if not name:
            challenge = {"www-authenticate": CHALLENGE}
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "Not authenticated.", challenge)
        return User(name, name in self._operators)

    def client_address(self, request: Request) -> str:
        """The address that a request comes from; where a proxy sent it, the one that the proxy names."""
        # Only the last is of the proxy's own making. With a port, or as a word, it would be another each time.
        last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        with suppress(ValueError):
            if self._is_proxy(request):
                return str(ip_address(last))
        return request.client.host if request.client else ""

    def _named_by_proxy(self, request: Request) -> str:
        if not self._header or not self._is_proxy(request):
            return ""
        # Twice means that the browser's own came through: neither is believed.
        names: list[str] = request.headers.getlist(self._header)
        name = names[0].strip() if len(names) == 1 else ""
        return name if len(name) <= LONGEST_NAME else ""

    def _named_by_password(self, request: Request) -> str:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:  # no base64, or no UTF-8 in it
            return ""
        if scheme.lower() != "basic":
            return ""
        address = self.client_address(request)
        if wait := self._throttle.wait_seconds(address):
            retry = {"retry-after": str(wait)}
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords. Wait.", retry)
        # Compared for an unknown name, too: how long it takes must not tell which names there are.
        is_right = hmac.compare_digest(_digest(password), self._passwords.get(name, _digest("")))
        is_right &= name in self._passwords
        self._throttle.count(address, is_right=is_right)
        return name if is_right else ""

    def _is_proxy(self, request: Request) -> bool:
        peer = request.client
        return peer is not None and any(ip_address(peer.host) in network for network in self._proxies)


def _digest(password: str) -> bytes:
    return sha256(password.encode()).digest()


class LoginThrottle:
    """Counts wrong passwords of the last minutes in this process. For one thread, the event loop's."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._wrong: deque[tuple[float, str]] = deque()
        self._known: deque[str] = deque(maxlen=KNOWN_ADDRESSES)

    def wait_seconds(self, address: str) -> int:
        """How long no password from this address is looked at; 0: it is looked at now."""
        now = self._seconds()
        while self._wrong and self._wrong[0][0] <= now - WINDOW_SECONDS:
            self._wrong.popleft()
        source = _source(address)
        own = [at for at, other in self._wrong if other == source]
        if len(own) >= MOST_BY_ADDRESS:
            return math.ceil(own[0] + WINDOW_SECONDS - now)
        if len(self._wrong) >= MOST_IN_ALL and source not in self._known:
            return math.ceil(self._wrong[0][0] + WINDOW_SECONDS - now)
        return 0

    def count(self, address: str, *, is_right: bool) -> None:
        """Count a password from this address."""
        source = _source(address)
        if not is_right:
            self._wrong.append((self._seconds(), source))
        elif source not in self._known:
            self._known.append(source)


def _source(address: str) -> str:
    """The address, or the network of one of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed.packed, _NETWORK_BITS), strict=False))
    return address
