"""Limits wrong passwords by client address and in all."""

import math
import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

WINDOW_SECONDS: Final = 300
MOST_BY_ADDRESS: Final = 10
"""In that time: enough for a person who mistypes, and 2,880 a day for whoever guesses."""
MOST_IN_ALL: Final = 100
"""In that time, from whatever addresses. It also bounds the memory."""
KNOWN_ADDRESSES: Final = 100
"""From which a right password came: the limit in all does not lock them out, so nobody else can."""
_NETWORK_BITS: Final = 64
"""One customer of a provider has as many addresses of IPv6."""


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
