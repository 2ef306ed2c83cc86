"""Configures the simulator's faults: one request in ten fails, and webhooks are lost, duplicated and reordered."""

from typing import Final

from payment_worker.devstack.servers.simulator import Simulator

ONE_IN: Final = 10
"""One of this many requests to Stripe fails."""

_LATE_SECONDS: Final = 3.0
"""Longer than the worker's timeout: the request takes effect after the worker has given up."""

APART_SECONDS: Final = 400
"""Beyond the margin of five minutes in which clocks may differ."""

_FAULTS: Final[tuple[tuple[str, str, float], ...]] = (
    ("latency", "before", 0.5),
    ("latency", "before", _LATE_SECONDS),
    ("latency", "after", _LATE_SECONDS),
    ("hang", "before", 0),
    ("hang", "after", 0),
    ("rate_limited", "before", 0),
    ("rate_limited_html", "before", 0),
    ("lock_timeout", "before", 0),
    ("conflict", "before", 0),
    ("server_error", "before", 0),
    ("server_error", "after", 0),
    ("server_error_unstored", "before", 0),
    ("server_error_unstored", "after", 0),
    ("retry_header", "before", 0),
    ("bad_gateway", "before", 0),
    ("bad_gateway", "after", 0),
    ("unavailable", "before", 0),
    ("unavailable", "after", 0),
    ("reset", "before", 0),
    ("reset", "after", 0),
    ("cut_body", "after", 0),
    ("cut_connection", "after", 0),
    ("empty", "after", 0),
)
"""Kind of fault, before or after the effect, and delay in seconds."""


def inject(simulator: Simulator) -> None:
    """Make requests fail and webhooks unreliable."""
    for kind, when, seconds in _FAULTS:
        probability = 1 / ONE_IN / len(_FAULTS)
        simulator.fault(kind, when=when, seconds=seconds, probability=probability, times=None)
    simulator.post("webhooks/mode", {"mode": "normal", "copies": 2, "shuffle": 5, "drop_probability": 0.2})


def set_clocks_apart(simulator: Simulator, *, seconds: float) -> None:
    """Set Stripe's clock so far behind ours; 0 sets ours right, as when NTP starts. It never goes back."""
    simulator.post("settings", {"clock_skew_seconds": -seconds})


def clear(simulator: Simulator) -> int:
    """Remove all faults. Returns how many requests failed."""
    applied = sum(fault["applied"] for fault in simulator.get("faults")["faults"])
    simulator.delete("faults")
    simulator.post("webhooks/mode", {"mode": "normal", "copies": 1, "shuffle": 0, "drop_probability": 0.0})
    return int(applied)
