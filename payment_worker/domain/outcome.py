"""What a request to Stripe came to. Silence is not a no: only `Declined` and `Rejected` say that nothing happened."""

from dataclasses import dataclass
from enum import StrEnum

from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot, RefundSnapshot


class UnknownReason(StrEnum):
    """Why it is unknown what a request came to."""

    SILENCE = "no answer"
    BROKEN_ANSWER = "answer cut short"
    SERVER_ERROR = "server error"
    REPLAYED_ERROR = "server error replayed under the key"
    REFUSED_LATER = "refused after a request without answer"
    KEY_MISMATCH = "key used with other parameters"
    OVERTAKEN = "overtaken by other news"
    CONTRADICTED = "answer contradicts our record"
    NOT_FOUND = "not found so far"


class Delay(StrEnum):
    """Why Stripe did not execute a request that may be sent again as it is."""

    RATE_LIMITED = "rate limited"
    KEY_IN_USE = "key in use"
    LOCKED = "object locked"
    KEY_REFUSED = "key refused"
    ACCESS_REFUSED = "access refused"
    LEASE_ENDED = "lease ended before it was sent"
    STRIPE_DOWN = "Stripe is down"
    THROTTLED = "no turn within our own rate"
    PAUSED = "paused"
    ANOTHER_ACCOUNT = "key of another Stripe account"
    ACCOUNT_NOT_KNOWN = "key may not read its account"
    CLOCKS_APART = "clocks apart"
    """It was not found, and what is not found is not believed absent by clocks that disagree."""


WRONG_KEY = frozenset({Delay.ANOTHER_ACCOUNT, Delay.ACCOUNT_NOT_KNOWN})
"""Delays that last until somebody deploys another key, or gives this one another permission."""

REFUSED_OF_US = frozenset({Delay.KEY_REFUSED, Delay.ACCESS_REFUSED})
"""Delays that last until somebody changes the key, or what it may do."""

NOT_SENT = frozenset({Delay.LEASE_ENDED, Delay.STRIPE_DOWN, Delay.THROTTLED, Delay.PAUSED, *WRONG_KEY})
"""Delays that we decided on: Stripe was not asked."""

WAITS_FOR_CAPACITY = frozenset(
    {Delay.RATE_LIMITED, Delay.STRIPE_DOWN, Delay.THROTTLED, Delay.PAUSED, *WRONG_KEY}
)
"""Delays that say nothing against the request: it is made soon after it can be, however long that took."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Stripe showed the object that the request made."""

    seen: PaymentIntentSnapshot | RefundSnapshot
    stripe_request_id: str | None = None
    is_present: bool = True
    """Whether it shows the object as it is now. A replayed answer shows it as it was at the first execution."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The card was declined: an outcome, not an error. The PaymentIntent stays for another attempt."""

    decline: Decline
    seen: PaymentIntentSnapshot | None
    stripe_request_id: str | None = None
    is_present: bool = True
    """As for `Shown`."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Stripe refused the request as it was and did nothing."""

    code: str
    stripe_request_id: str | None = None
    seen: PaymentIntentSnapshot | None = None
    """The PaymentIntent that it was about, looked at after the refusal: our record of it may be out of date."""
    is_replayed: bool = False
    """Whether the first request under the key was refused so, and this one only got the same answer."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """It is unknown whether Stripe executed the request."""

    unknown_reason: UnknownReason
    stripe_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Postponed:
    """Stripe did not execute the request; the same one may be sent later and costs no attempt."""

    delay: Delay
    stripe_request_id: str | None = None
    detail: str | None = None
    """Stripe's own code, and the permission that it asks for, where it names them."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A consistent read shows that the object does not exist. Whether to believe it is for the caller to judge."""


@dataclass(frozen=True, slots=True)
class ScanIncomplete:
    """The object is not in the part of a long list that was read. Nothing is known of the rest."""

    after: str
    """The last object that was read: newest first, the rest begins after it."""


Outcome = Shown | Declined | Rejected | Unanswered | Postponed
"""What sending a request can come to."""

LookupResult = Shown | Absent | Unanswered | Postponed
"""What looking for an object can come to."""

ScanResult = LookupResult | ScanIncomplete
"""What looking for an object on a list can come to."""
