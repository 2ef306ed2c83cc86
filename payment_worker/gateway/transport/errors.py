"""Maps each error of Stripe's SDK to an outcome.

The classes and codes were seen by running stripe-python 16.1.0. Its own exceptions never leave the gateway,
because their arguments carry the whole body.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from stripe import _error as sdk

from payment_worker.domain.attempts.outcome import (
    Declined,
    Delay,
    Outcome,
    Postponed,
    Rejected,
    Unanswered,
    UnknownReason,
)
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.gateway.parsing import UnreadableError, decline_of, payment_intent_snapshot

SERVER_ERRORS_FROM: Final = 500
_PERMISSION: Final = re.compile(r"\brak_[a-z_]{1,60}\b")
_CODE: Final = re.compile(r"[a-z_]{1,60}")

NO_SUCH_ACCOUNT: Final = "account_invalid"
"""Stripe's code where a key has no access to the account that a request names."""


class NotSentError(sdk.StripeError):
    """The request was not sent; the delay says why. A StripeError, so that it is caught where those are."""

    def __init__(self, delay: Delay) -> None:
        super().__init__(str(delay))
        self.delay = delay


def outcome_of(error: sdk.StripeError) -> Outcome:
    """The outcome of a request that ended with this error."""
    if isinstance(error, NotSentError):
        return Postponed(error.delay)
    return READINGS[type(error)](error)


def sighting_of(outcome: Outcome) -> Unanswered | Postponed:
    """What a failed read says about the object: nothing, for one of two reasons."""
    return outcome if isinstance(outcome, Unanswered | Postponed) else Unanswered(UnknownReason.SERVER_ERROR)


def _declined(error: sdk.StripeError) -> Outcome:
    body = _body(error)
    is_present = not is_replayed(error.headers)
    return Declined(decline_of(body), _declined_intent(body), error.request_id, is_present=is_present)


def _declined_intent(body: Mapping[str, Any]) -> PaymentIntentSnapshot | None:
    """The PaymentIntent beside a decline. The decline is one whatever that shows, or does not show."""
    intent = body.get("payment_intent")
    if not isinstance(intent, dict):
        return None
    error = intent.get("last_payment_error") or body
    with suppress(UnreadableError):
        return payment_intent_snapshot({**intent, "last_payment_error": error})
    return None


def _refused(error: sdk.StripeError) -> Outcome:
    param = getattr(error, "param", None)
    code = _body(error).get("code") or (f"parameter_invalid_{param}" if param else "invalid_request")
    return Rejected(str(code), error.request_id, is_replayed=is_replayed(error.headers))


def _rate_limited(error: sdk.StripeError) -> Outcome:
    locked = _body(error).get("code") == "lock_timeout"
    return Postponed(Delay.OBJECT_LOCKED if locked else Delay.RATE_LIMITED, error.request_id)


def _key_refused(error: sdk.StripeError) -> Outcome:
    return Postponed(Delay.API_KEY_REJECTED, error.request_id, refusal_in(error))


def _access_refused(error: sdk.StripeError) -> Outcome:
    return Postponed(Delay.ACCESS_DENIED, error.request_id, refusal_in(error))


def refusal_in(error: sdk.StripeError) -> str | None:
    """Stripe's code for a rejected key or permission, and the permissions required; None if it names neither.

    Nothing else of its message is repeated, because that contains a part of the key.
    """
    body = _body(error)
    code = str(body.get("code") or "")
    permissions = sorted(set(_PERMISSION.findall(str(body.get("message") or ""))))
    return " ".join(([code] if _CODE.fullmatch(code) else []) + permissions) or None


def no_such_account(error: sdk.PermissionError) -> Rejected | None:
    """The rejection of a request on a connected account that our key has no access to, if this error is one.

    Stripe checks that before anything else, so nothing was executed.
    """
    code = _body(error).get("code")
    return Rejected(NO_SUCH_ACCOUNT, error.request_id) if code == NO_SUCH_ACCOUNT else None


def _mismatched(error: sdk.StripeError) -> Outcome:
    return Unanswered(UnknownReason.KEY_MISMATCH, error.request_id)


def _not_answered(error: sdk.StripeError) -> Outcome:
    return Unanswered(UnknownReason.NO_ANSWER, error.request_id)


def _by_status(error: sdk.StripeError) -> Outcome:
    status = error.http_status or 0
    match status:
        case 409:
            return Postponed(Delay.KEY_IN_USE, error.request_id)
        case 429:
            return Postponed(Delay.RATE_LIMITED, error.request_id)
        case _ if status >= SERVER_ERRORS_FROM:
            unknown_reason = (
                UnknownReason.REPLAYED_SERVER_ERROR
                if is_replayed(error.headers)
                else UnknownReason.SERVER_ERROR
            )
            return Unanswered(unknown_reason, error.request_id)
        case _:
            # A 2xx with a truncated body, or something that Stripe never sends, for instance a proxy's page.
            return Unanswered(UnknownReason.TRUNCATED_ANSWER, error.request_id)


def _unexpected(error: sdk.StripeError) -> Outcome:
    return Unanswered(UnknownReason.SERVER_ERROR, error.request_id)


READINGS: Final[Mapping[type[sdk.StripeError], Callable[[Any], Outcome]]] = {
    sdk.APIConnectionError: _not_answered,
    sdk.APIError: _by_status,
    sdk.CardError: _declined,
    sdk.InvalidRequestError: _refused,
    sdk.IdempotencyError: _mismatched,
    sdk.RateLimitError: _rate_limited,
    sdk.AuthenticationError: _key_refused,
    sdk.PermissionError: _access_refused,
    # The bare classes are raised for what the SDK does not know: nothing is known of the money then.
    sdk.StripeError: _unexpected,
    sdk.StripeErrorWithParamCode: _unexpected,
    # Never come from a call: construct_event raises it.
    sdk.SignatureVerificationError: _unexpected,
    # API v2 only, which we do not call. If one occurs, its effect is unknown and is looked up.
    sdk.AlreadyCanceledError: _unexpected,
    sdk.BlockedByStripeError: _unexpected,
    sdk.CannotProceedError: _unexpected,
    sdk.CapabilityNotEnabledError: _unexpected,
    sdk.ControlledByAlternateResourceError: _unexpected,
    sdk.FeatureNotEnabledError: _unexpected,
    sdk.FinancialAccountNotOpenError: _unexpected,
    sdk.FxQuoteNeedsRefreshError: _unexpected,
    sdk.InsufficientFundsError: _unexpected,
    sdk.InvalidPaymentMethodError: _unexpected,
    sdk.InvalidPayoutMethodError: _unexpected,
    sdk.InvalidVaultedCredentialError: _unexpected,
    sdk.NotCancelableError: _unexpected,
    sdk.QuotaExceededError: _unexpected,
    sdk.RecipientNotNotifiableError: _unexpected,
    sdk.TemporarySessionExpiredError: _unexpected,
    sdk.VerificationAttemptFailedError: _unexpected,
    sdk.VerificationExpiredError: _unexpected,
    sdk.VerificationNotInitiatedError: _unexpected,
}


def _body(error: sdk.StripeError) -> Mapping[str, Any]:
    body = error.json_body
    error_body = body.get("error") if isinstance(body, dict) else None
    return error_body if isinstance(error_body, dict) else {}


def is_replayed(headers: Mapping[str, str] | None) -> bool:
    """Whether Stripe only replays the response to the first request under the key, as its header says."""
    return (headers or {}).get("idempotent-replayed") == "true"
