"""Whether a web address answers."""

from collections.abc import Callable
from contextlib import suppress
from urllib.error import URLError
from urllib.request import urlopen


def answers(url: str) -> Callable[[], bool]:
    """A condition to wait for: a request of this address is answered with 200."""

    def asked() -> bool:
        with suppress(URLError, ConnectionError), urlopen(url, timeout=5) as answer:  # noqa: S310 our own
            return bool(answer.status == 200)
        return False

    return asked
