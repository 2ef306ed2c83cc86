"""Settings that can change while the simulator runs: delays, limits, lags."""

from dataclasses import dataclass, field, fields
from typing import Any

_DAY_SECONDS = 86_400.0


class BadSettingError(ValueError):
    """A setting has no such name or no such value."""


@dataclass(slots=True)
class Settings:
    """Seconds of the simulator's clock where nothing else is said; docs/simulator.md tells the meanings."""

    latency_seconds: float = 0.0
    rate_limit_per_second: float | None = None
    balance_transaction_delay_seconds: float = 1.0
    processing_delay_seconds: float = 5.0
    pending_refund_delay_seconds: float = 10.0
    refund_failure_delay_seconds: float = 10.0
    refund_reference_delay_seconds: float = 1.0
    dispute_delay_seconds: float = 1.0
    balance_available_delay_seconds: float = 2 * _DAY_SECONDS
    payout_interval_seconds: float | None = None
    payout_arrival_delay_seconds: float = _DAY_SECONDS
    search_lag_seconds: float = 1.0
    authorization_seconds: float = 7 * _DAY_SECONDS
    idempotency_key_seconds: float = _DAY_SECONDS
    event_lag_seconds: float = 0.0
    event_lag_every: int = 1
    event_copies: int = 1
    # Stripe's own waits in live mode, roughly: seconds first, then hours.
    webhook_retry_seconds: list[float] = field(
        default_factory=lambda: [1, 5, 30, 300, 3_600, 18_000, 36_000, 43_200]
    )
    webhook_timeout_seconds: float = 10.0
    clock_skew_seconds: float = 0.0
    """How far what Stripe tells of its time, `Date` and `created`, is ahead of the simulator's clock, or behind."""

    def change(self, given: dict[str, Any]) -> None:
        """Set what is given. Raises BadSettingError and changes nothing when a name or value is wrong."""
        names = {entry.name for entry in fields(self)}
        for name, value in given.items():
            if name not in names:
                raise BadSettingError(f"no setting is called {name!r}")
            _check(name, value, getattr(self, name))
        for name, value in given.items():
            # A whole number of seconds must not turn a time into a count, which is never less than 1.
            is_count = isinstance(getattr(self, name), int)
            setattr(self, name, float(value) if isinstance(value, int) and not is_count else value)

    def to_dict(self) -> dict[str, Any]:
        """All of them."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


_OPTIONAL = {"payout_interval_seconds", "rate_limit_per_second"}
_SIGNED = {"clock_skew_seconds"}
"""What may be less than 0."""


def _check(name: str, value: object, present: object) -> None:
    if name in _OPTIONAL and value is None:
        return
    if isinstance(present, bool) or isinstance(value, bool):
        good = isinstance(present, bool) and isinstance(value, bool)
    elif isinstance(present, list):
        good = (
            isinstance(value, list) and all(isinstance(wait, int | float) for wait in value) and bool(value)
        )
    else:
        good = isinstance(value, int | float) and (
            name in _SIGNED or value >= (1 if isinstance(present, int) else 0)
        )
    if not good:
        raise BadSettingError(f"{name} cannot be {value!r}")
