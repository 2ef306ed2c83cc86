"""As many due rows as a test has."""

from typing import Final

from payment_worker.flows.maintenance.sweep import SweepLimits

ALL_DUE: Final = SweepLimits(attempts=200, events=200, waiting_refunds=200)
