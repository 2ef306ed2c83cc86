"""Waits for a condition with a deadline."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class DeadlineMissedError(Exception):
    """What was waited for did not come true in time. The message says what, and how long it was given."""


def wait_until(
    condition: Callable[[], T], *, seconds: float = 10, what: str = "", every_seconds: float = 0.01
) -> T:
    """Call the condition until it returns something true, and return that.

    The pause between two calls grows from `every_seconds` to ten times that, so a long wait eats no core.

    Raises:
        DeadlineMissedError: it was still false after so many seconds; the message ends with its last value.
    """
    pause, never = every_seconds, Event()
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() >= deadline:
            condition_name = what or getattr(condition, "__name__", "the condition")
            raise DeadlineMissedError(f"not within {seconds} s: {condition_name} (last seen: {value!r})")
        never.wait(pause)
        pause = min(pause * 1.2, every_seconds * 10)
    return value
