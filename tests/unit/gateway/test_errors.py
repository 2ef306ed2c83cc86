"""Every error that Stripe's SDK can raise says what it means for the money, and silence is never a no."""

import inspect
from typing import Any

import pytest
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
from payment_worker.domain.snapshots import Decline
from payment_worker.gateway.transport.errors import READINGS, outcome_of

ERROR_CLASSES = [
    each
    for each in vars(sdk).values()
    if inspect.isclass(each) and issubclass(each, sdk.StripeError) and each.__module__ == sdk.__name__
]


def an_error(kind: type[Any], status: int | None, headers: dict[str, str] | None = None, **error: Any) -> Any:  # noqa: ANN401 - the SDK's own looseness
    made: Any = Exception.__new__(kind)
    sdk.StripeError.__init__(made, "told", None, status, {"error": error}, headers or {})
    made.param = error.get("param")
    return made


def test_no_error_class_of_the_sdk_is_missing_and_none_is_made_up() -> None:
    assert len(ERROR_CLASSES) > 25
    assert set(READINGS) == set(ERROR_CLASSES)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (an_error(sdk.APIConnectionError, None), Unanswered(UnknownReason.NO_ANSWER)),
        (an_error(sdk.APIError, 200), Unanswered(UnknownReason.TRUNCATED_ANSWER)),
        (an_error(sdk.APIError, None), Unanswered(UnknownReason.TRUNCATED_ANSWER)),
        (an_error(sdk.APIError, 500), Unanswered(UnknownReason.SERVER_ERROR)),
        (an_error(sdk.APIError, 503), Unanswered(UnknownReason.SERVER_ERROR)),
        (
            an_error(sdk.APIError, 500, {"idempotent-replayed": "true"}),
            Unanswered(UnknownReason.REPLAYED_SERVER_ERROR),
        ),
        (an_error(sdk.APIError, 409, code="idempotency_key_in_use"), Postponed(Delay.KEY_IN_USE)),
        (an_error(sdk.APIError, 429), Postponed(Delay.RATE_LIMITED)),
        (an_error(sdk.RateLimitError, 429), Postponed(Delay.RATE_LIMITED)),
        (an_error(sdk.RateLimitError, 429, code="lock_timeout"), Postponed(Delay.OBJECT_LOCKED)),
        (an_error(sdk.AuthenticationError, 401), Postponed(Delay.API_KEY_REJECTED)),
        (an_error(sdk.PermissionError, 403), Postponed(Delay.ACCESS_DENIED)),
        (an_error(sdk.IdempotencyError, 400), Unanswered(UnknownReason.KEY_MISMATCH)),
        (an_error(sdk.InvalidRequestError, 400, code="amount_too_small"), Rejected("amount_too_small")),
        (an_error(sdk.InvalidRequestError, 400, param="amount"), Rejected("parameter_invalid_amount")),
        (
            an_error(
                sdk.CardError,
                402,
                code="card_declined",
                decline_code="lost_card",
                advice_code="do_not_try_again",
            ),
            Declined(
                Decline(error_code="card_declined", decline_code="lost_card", advice_code="do_not_try_again"),
                None,
            ),
        ),
    ],
)
def test_each_error_is_read_as_what_it_means(error: sdk.StripeError, outcome: Outcome) -> None:
    assert outcome_of(error) == outcome


@pytest.mark.parametrize("kind", ERROR_CLASSES)
@pytest.mark.parametrize("status", [None, 200, 409, 429, 500, 502, 503])
def test_nothing_but_a_card_error_or_a_bad_request_is_taken_for_a_no(
    kind: type[Any], status: int | None
) -> None:
    outcome = outcome_of(an_error(kind, status))
    if isinstance(outcome, Declined | Rejected):
        assert kind in {sdk.CardError, sdk.InvalidRequestError}
