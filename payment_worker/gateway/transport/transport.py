"""Sends one HTTP request to Stripe: acquires a permit, measures the duration, returns the response."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import stripe

from payment_worker.domain.attempts.outcome import Delay, Outcome, Postponed
from payment_worker.gateway.account.key_owner import KeyCheck, any_key
from payment_worker.gateway.parsing import JSON
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.rate_limit.limits import Permit, Throttled, endpoint_of
from payment_worker.gateway.transport.errors import NotSentError, outcome_of
from payment_worker.gateway.transport.http import DeadlineClient
from payment_worker.gateway.transport.stripe_clock import StripeClock
from payment_worker.telemetry import learned
from payment_worker.telemetry.metrics import STRIPE_SECONDS, THROTTLED
from payment_worker.telemetry.recorder import count, observe

ACCOUNT: Final = "/v1/account"
"""The account that the key belongs to."""

LONGEST_TURN_SECONDS: Final = 5.0
"""How long a call waits for its turn where no lease says so: what comes later comes back later."""

# It would write a file under the home directory and add a header (stripe-python 16.1.0).
stripe.enable_telemetry = False


class Connection:
    """The connection of one process to Stripe. Made after a fork: it may not be shared with a child."""

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str,
        timeout_seconds: float,
        traffic: RateLimiter,
        check_key: KeyCheck = any_key,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.clock = StripeClock()
        self._traffic = traffic
        self._check_key = check_key
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")},
            http_client=DeadlineClient(api_base, timeout_seconds=timeout_seconds),
            max_network_retries=0,
        )

    def ask(self, path: str, params: Mapping[str, Any], account: str | None) -> JSON:
        """Stripe's response to a GET. Raises stripe.StripeError; one of them says that it was not sent."""
        turn = self.turn("get", path, account, LONGEST_TURN_SECONDS)
        if isinstance(turn, Throttled):
            raise NotSentError(turn.delay)
        body: JSON = self.call("get", path, params, account, turn).data
        return body

    def turn(self, method: str, path: str, account: str | None, longest_wait: float) -> Permit | Throttled:
        """Wait for the call's turn, if it comes within this time. No transaction may be open meanwhile."""
        if delay := self._check_key(self._owner):
            count(THROTTLED, delay)
            return Throttled(delay, 0.0)
        return self._turn(method, path, account, longest_wait)

    def _turn(self, method: str, path: str, account: str | None, longest_wait: float) -> Permit | Throttled:
        turn = self._traffic.acquire(endpoint_of(method, path), account=account, longest_wait=longest_wait)
        if isinstance(turn, Throttled):
            count(THROTTLED, turn.delay)
        elif turn.wait_seconds:
            time.sleep(turn.wait_seconds)
        return turn

    def _owner(self) -> str | Delay:
        """The id of the account that the key belongs to."""
        turn = self._turn("get", ACCOUNT, None, LONGEST_TURN_SECONDS)
        if isinstance(turn, Throttled):
            return turn.delay
        try:
            return str(self.call("get", ACCOUNT, {}, None, turn).data["id"])
        except stripe.PermissionError:
            return Delay.ACCOUNT_UNKNOWN
        except stripe.StripeError as error:
            outcome = outcome_of(error)
            return outcome.delay if isinstance(outcome, Postponed) else Delay.STRIPE_DOWN
        except (KeyError, TypeError):
            return Delay.STRIPE_DOWN

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        account: str | None,
        turn: Permit,
        *,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:  # noqa: ANN401 - the SDK gives this answer no name that is public
        """Send one request, and report to the rate limiter whether Stripe responded. Raises stripe.StripeError."""
        whose = {"stripe_account": account} if account else {}
        name, began = endpoint_name(method, path), time.monotonic()
        try:
            answer = self._client.raw_request(method, path, **params, **options, **whose)
        except stripe.StripeError as error:
            self.clock.update(error.headers)
            self._note(turn, name, outcome_of(error), error.request_id, began)
            raise
        self.clock.update(answer.headers)
        self._note(turn, name, None, answer.request_id, began)
        return answer

    def is_down(self, account: str | None) -> bool:
        """Whether the circuit breaker is open."""
        return self._traffic.is_down(account)

    def _note(
        self, turn: Permit, name: str, outcome: Outcome | None, request_id: str | None, began: float
    ) -> None:
        observe(STRIPE_SECONDS, name, answer_name(outcome), seconds=time.monotonic() - began)
        learned(stripe_request_id=request_id)
        self._traffic.note(turn, outcome)


def endpoint_name(method: str, path: str) -> str:
    """Stripe's own way to name them: `payment_intents.create`, `payment_intents.capture`, `refunds.list`."""
    _, _, resource, *rest = path.split("/")
    match method, rest:
        case _, [_, verb, *_]:
            return f"{resource}.{verb}"
        case "post", []:
            return f"{resource}.create"
        case "post", _:
            return f"{resource}.update"
        case _, []:
            return f"{resource}.list"
        case _:
            return f"{resource}.retrieve"


def answer_name(outcome: Outcome | None) -> str:
    """`answered`, or the kind of failure; None for a response that is none of the known failures."""
    return "answered" if outcome is None else type(outcome).__name__.lower()
