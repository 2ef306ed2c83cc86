"""How long a payment or refund may stay in each status before an operator is alerted."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus

PAYMENT_DEADLINES: Final[Mapping[PaymentStatus, timedelta]] = MappingProxyType(
    {
        # Stripe responds within seconds, and unknown outcomes are resolved within minutes after an outage.
        PaymentStatus.REQUESTED: timedelta(hours=1),
        # Bank debits take up to 14 days.
        PaymentStatus.PROCESSING: timedelta(days=14),
        # A customer who has not returned by then does not.
        PaymentStatus.REQUIRES_ACTION: timedelta(days=2),
        # Most authorisations of cards end after 7 days: a day is left to capture.
        PaymentStatus.AUTHORIZED: timedelta(days=6),
    }
)

REFUND_DEADLINES: Final[Mapping[RefundStatus, timedelta]] = MappingProxyType(
    {
        RefundStatus.REQUESTED: timedelta(hours=1),
        # Banks take up to 30 days with refunds that are no reversals.
        RefundStatus.PENDING: timedelta(days=30),
        RefundStatus.REQUIRES_ACTION: timedelta(days=30),
    }
)
