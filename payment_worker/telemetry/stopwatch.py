"""Measures durations with the monotonic clock."""

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine is suspended, where the system has such a clock: that time passed for everybody else."""


def elapsed_seconds() -> float:
    """Seconds since some instant. They only go forward, whatever sets the machine's time."""
    return time.clock_gettime(_CLOCK)
