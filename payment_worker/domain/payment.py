"""The life of a payment: its states, what may be heard about it, and where each piece of news leads.

Theory of operation. A payment begins as REQUESTED: accepted by us, and Stripe is not yet known to have
answered. News of Stripe's PaymentIntent moves it along the table below, and only along it: a pair that is
not in the table changes nothing. SUCCEEDED and CANCELED are final, as they are at Stripe, so news of them
can be late but never wrong. FAILED is not: Stripe leaves a declined PaymentIntent open, and another attempt
may follow. It may also follow while a payment waits for its customer, for instance with another card.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class PaymentStatus(StrEnum):
    """The states of a payment. REQUESTED, SUCCEEDED and FAILED are the event catalogue's own words."""

    REQUESTED = "REQUESTED"
    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class PaymentNews(StrEnum):
    """What was heard about a payment."""

    STARTED = "processing started"
    ACTION_REQUIRED = "action required"
    AUTHORIZED = "authorized"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    RETRIED = "another attempt requested"


PAYMENT_TRANSITIONS: Mapping[PaymentStatus, Mapping[PaymentNews, PaymentStatus]] = MappingProxyType(
    {
        PaymentStatus.REQUESTED: {
            PaymentNews.STARTED: PaymentStatus.PROCESSING,
            PaymentNews.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
            PaymentNews.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentNews.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentNews.FAILED: PaymentStatus.FAILED,
            PaymentNews.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.PROCESSING: {
            PaymentNews.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
            PaymentNews.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentNews.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentNews.FAILED: PaymentStatus.FAILED,
            PaymentNews.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.REQUIRES_ACTION: {
            PaymentNews.RETRIED: PaymentStatus.REQUESTED,
            PaymentNews.STARTED: PaymentStatus.PROCESSING,
            PaymentNews.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentNews.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentNews.FAILED: PaymentStatus.FAILED,
            PaymentNews.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.AUTHORIZED: {
            PaymentNews.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentNews.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.FAILED: {
            PaymentNews.RETRIED: PaymentStatus.REQUESTED,
            PaymentNews.STARTED: PaymentStatus.PROCESSING,
            PaymentNews.ACTION_REQUIRED: PaymentStatus.REQUIRES_ACTION,
            PaymentNews.AUTHORIZED: PaymentStatus.AUTHORIZED,
            PaymentNews.SUCCEEDED: PaymentStatus.SUCCEEDED,
            PaymentNews.CANCELED: PaymentStatus.CANCELED,
        },
        PaymentStatus.SUCCEEDED: {},
        PaymentStatus.CANCELED: {},
    }
)

FINAL_NEWS = frozenset({PaymentNews.SUCCEEDED, PaymentNews.CANCELED})
"""News of a state that a PaymentIntent never leaves, so a snapshot of it cannot be out of date."""


def after(status: PaymentStatus, news: PaymentNews) -> PaymentStatus:
    """Where the news leads; the same status where it changes nothing."""
    return PAYMENT_TRANSITIONS[status].get(news, status)
