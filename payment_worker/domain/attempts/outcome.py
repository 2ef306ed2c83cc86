"""The outcomes of a request to Stripe; only `Declined` and `Rejected` mean that it had no effect."""

from dataclasses import dataclass

from payment_worker.domain.explained_code import Code
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot, RefundSnapshot


class UnknownReason(Code):
    """Why the outcome of a request is unknown: a code, and a sentence for people."""

    NO_ANSWER = "no_answer", "Stripe did not answer in time."
    TRUNCATED_ANSWER = "truncated_answer", "Stripe's answer was cut short."
    SERVER_ERROR = "server_error", "Stripe answered with a server error."
    REPLAYED_SERVER_ERROR = (
        "replayed_server_error",
        "Stripe replays the server error that it stored under the key.",
    )
    REJECTED_LATER = "rejected_later", "Stripe rejected a repetition of a request that it had not answered."
    KEY_MISMATCH = "key_mismatch", "Stripe knows the idempotency key with other parameters."
    SUPERSEDED = "superseded", "Another snapshot of the object was applied meanwhile."
    CONTRADICTS_RECORD = "contradicts_record", "Stripe's answer contradicts our record."
    NOT_FOUND_YET = "not_found_yet", "Stripe does not show the object, and may yet."


class Delay(Code):
    """Why Stripe did not execute a request that may be sent again unchanged: a code, and a sentence for people."""

    RATE_LIMITED = "rate_limited", "Stripe answered 429."
    KEY_IN_USE = "key_in_use", "A request under the same idempotency key is still executing."
    OBJECT_LOCKED = "object_locked", "Another request holds Stripe's lock on the object."
    API_KEY_REJECTED = "api_key_rejected", "Stripe rejected our API key."
    ACCESS_DENIED = "access_denied", "Our API key lacks a permission, or the account is closed to us."
    LEASE_EXPIRED = "lease_expired", "The lease expired before the request was sent."
    STRIPE_DOWN = "stripe_down", "The circuit breaker is open: Stripe does not answer."
    THROTTLED = "throttled", "Our own rate limit left no room for it."
    PAUSED = "paused", "Somebody paused this kind of request."
    ANOTHER_ACCOUNT = "another_account", "Our API key belongs to another Stripe account or mode."
    ACCOUNT_UNKNOWN = "account_unknown", "Our API key may not read which account it belongs to."
    NO_API_KEY = "no_api_key", "STRIPE_API_KEYS has no key of this account."
    SCAN_CONTINUES = (
        "scan_continues",
        "A long list was not read to its end; the next round goes on from there.",
    )
    CLOCKS_APART = "clocks_apart", "It was not found, and clocks that disagree prove no absence."


def explained(code: str) -> str:
    """A code with its sentence, for people; a suffix after a colon, and any other text, is left unchanged."""
    name, _, suffix = code.partition(":")
    sentence = next((each.sentence for each in (*UnknownReason, *Delay) if each == name), "")
    return f"{name}: {sentence}{suffix}" if sentence else code


WRONG_KEY = frozenset({Delay.ANOTHER_ACCOUNT, Delay.ACCOUNT_UNKNOWN, Delay.NO_API_KEY})
"""Delays that last until another key is deployed, or this one gets another permission."""

REFUSED_OF_US = frozenset({Delay.API_KEY_REJECTED, Delay.ACCESS_DENIED})
"""Delays that last until the key or its permissions are changed."""

NOT_SENT = frozenset({Delay.LEASE_EXPIRED, Delay.STRIPE_DOWN, Delay.THROTTLED, Delay.PAUSED, *WRONG_KEY})
"""Delays that we decided on: nothing was sent to Stripe."""

WAITS_FOR_CAPACITY = frozenset(
    {Delay.RATE_LIMITED, Delay.STRIPE_DOWN, Delay.THROTTLED, Delay.PAUSED, *WRONG_KEY}
)
"""Delays that are not the request's fault: it is sent soon after capacity returns, however long that took."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Stripe showed the object that the request created."""

    snapshot: PaymentIntentSnapshot | RefundSnapshot
    stripe_request_id: str | None = None
    is_present: bool = True
    """Whether it shows the object's current state. A replayed response shows that of the first execution."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The card was declined: an outcome, not an error. The PaymentIntent stays for another attempt."""

    decline: Decline
    snapshot: PaymentIntentSnapshot | None
    stripe_request_id: str | None = None
    is_present: bool = True
    """As for `Shown`."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Stripe rejected the request and did nothing."""

    code: str
    stripe_request_id: str | None = None
    snapshot: PaymentIntentSnapshot | None = None
    """The PaymentIntent concerned, retrieved after the rejection: our record of it may be out of date."""
    is_replayed: bool = False
    """Whether the first request under the key was rejected too, and this is its replayed response."""


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
    """Stripe's own code, and the permission that is missing, if it names them."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A consistent read shows that the object does not exist. The caller decides whether that is proof."""


@dataclass(frozen=True, slots=True)
class ScanIncomplete:
    """The object is not in the part of a long list that was read. Nothing is known of the rest."""

    after: str
    """The last object that was read: newest first, the rest begins after it."""


Outcome = Shown | Declined | Rejected | Unanswered | Postponed
"""The possible results of sending a request."""

LookupResult = Shown | Absent | Unanswered | Postponed
"""The possible results of looking up an object."""

ScanResult = LookupResult | ScanIncomplete
"""The possible results of searching an object on a list."""
