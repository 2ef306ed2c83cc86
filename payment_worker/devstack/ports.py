"""Finds free TCP ports on the loopback interface."""

import socket
from dataclasses import astuple, dataclass
from typing import Final, Self

LOOPBACK = "127.0.0.1"
DEFAULT_BASE: Final = 17_400
"""Far from the servers' usual ports, from what compose.yaml publishes, and from those that systems hand out."""


@dataclass(frozen=True)
class Ports:
    """Where the servers of a stack listen. None: where it finds room when it starts."""

    postgresql: int | None
    redis: int | None
    stripe: int | None
    webhook: int
    flower: int | None
    """None: it does not run."""
    console: int | None
    """None: it does not run."""

    @classmethod
    def from_base(cls, base: int) -> Self:
        """The base and those that follow it."""
        return cls(*range(base, base + 6))

    @classmethod
    def any_free(cls) -> Self:
        """Any that are free."""
        return cls(None, None, None, free_port(), free_port(), None)

    def taken(self) -> list[int]:
        """Those that something listens on right now."""
        return [port for port in astuple(self) if port and answers(port)]


def free_port() -> int:
    """A port that nothing listens on now. Another process may be quicker to take it: be ready for that."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something accepts connections on the port right now."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
