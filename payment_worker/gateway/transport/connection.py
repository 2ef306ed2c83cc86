"""Sends one HTTP request to Stripe: acquires a permit, measures the duration, returns the response."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import stripe
from stripe import StripeClient  # loads much, and only when named: here for all children at once

from payment_worker.domain.accounts import PLATFORM, account_of
from payment_worker.domain.attempts.outcome import Delay, Outcome, Postponed
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.parsing import JSON
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.rate_limit.limits import Permit, Throttled, endpoint_of
from payment_worker.gateway.transport.errors import NotSentError, outcome_of
from payment_worker.gateway.transport.http import DeadlineClient
from payment_worker.gateway.transport.requestor import make_lean
from payment_worker.gateway.transport.stripe_clock import StripeClock
from payment_worker.telemetry import learned
from payment_worker.telemetry.metrics import STRIPE_SECONDS, THROTTLED, account_label
from payment_worker.telemetry.recorder import count, observe

ACCOUNT: Final = "/v1/account"
"""The account that the key belongs to."""

LONGEST_PERMIT_WAIT_SECONDS: Final = 5.0
"""How long a call waits for its permit where no lease says so: what comes later comes back later."""

# It would write a file under the home directory and add a header (stripe-python 16.1.0).
stripe.enable_telemetry = False


class Connection:
    """The connection of one process to Stripe. Made after a fork: it may not be shared with a child."""

    def __init__(
        self,
        *,
        api_keys: Mapping[str, ApiKey],
        api_base: str,
        timeout_seconds: float,
        rate_limiter: RateLimiter,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.clock = StripeClock()
        self._rate_limiter = rate_limiter
        self._keys = api_keys
        http = DeadlineClient(timeout_seconds=timeout_seconds)
        self._clients = {
            name: make_lean(
                StripeClient(
                    key.secret,
                    base_addresses={"api": api_base.rstrip("/")},
                    http_client=http,
                    max_network_retries=0,
                )
            )
            for name, key in api_keys.items()
        }

    def ask(self, path: str, params: Mapping[str, Any], account: str) -> JSON:
        """Stripe's response to a GET. Raises stripe.StripeError; one of them says that it was not sent."""
        permit = self.permit("get", path, account, LONGEST_PERMIT_WAIT_SECONDS)
        if isinstance(permit, Throttled):
            raise NotSentError(permit.delay)
        body: JSON = self.call("get", path, params, account, permit).data
        return body

    def permit(self, method: str, path: str, account: str, longest_wait: float) -> Permit | Throttled:
        """Wait for the call's permit, if it comes within this time. No transaction may be open meanwhile."""
        if delay := self._unusable(account_of(account).key):
            count(THROTTLED, delay, account_label(account))
            return Throttled(delay, 0.0)
        return self._acquire(method, path, account, longest_wait)

    def _unusable(self, key: str) -> Delay | None:
        """Why nothing may be sent with the key of this name."""
        if key not in self._keys:
            return Delay.NO_API_KEY
        return self._keys[key].check(lambda: self._owner(key))

    def _acquire(self, method: str, path: str, account: str, longest_wait: float) -> Permit | Throttled:
        permit = self._rate_limiter.acquire(
            endpoint_of(method, path), account=account, longest_wait=longest_wait
        )
        if isinstance(permit, Throttled):
            count(THROTTLED, permit.delay, account_label(account))
        elif permit.wait_seconds:
            time.sleep(permit.wait_seconds)
        return permit

    def _owner(self, key: str) -> str | Delay:
        """The id of the account that the key belongs to."""
        permit = self._acquire("get", ACCOUNT, key, LONGEST_PERMIT_WAIT_SECONDS)
        if isinstance(permit, Throttled):
            return permit.delay
        try:
            return str(self.call("get", ACCOUNT, {}, key, permit).data["id"])
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
        account: str,
        permit: Permit,
        *,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:  # noqa: ANN401 - the SDK gives this answer no name that is public
        """Send one request, and report to the rate limiter whether Stripe responded. Raises stripe.StripeError."""
        key, connected = account_of(account)
        account_option = {"stripe_account": connected} if connected else {}
        labels, began = (endpoint_name(method, path), key or PLATFORM), time.monotonic()
        try:
            response = self._clients[key].raw_request(method, path, **params, **options, **account_option)
        except stripe.StripeError as error:
            self.clock.update(error.headers)
            self._report(permit, labels, outcome_of(error), error.request_id, began)
            raise
        self.clock.update(response.headers)
        self._report(permit, labels, None, response.request_id, began)
        return response

    def breaker_is_open(self, account: str) -> bool:
        """Whether the circuit breaker is open."""
        return self._rate_limiter.breaker_is_open(account)

    def _report(
        self,
        permit: Permit,
        labels: tuple[str, str],
        outcome: Outcome | None,
        request_id: str | None,
        began: float,
    ) -> None:
        observe(STRIPE_SECONDS, *labels, answer_name(outcome), seconds=time.monotonic() - began)
        learned(stripe_request_id=request_id)
        self._rate_limiter.report(permit, outcome)


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
