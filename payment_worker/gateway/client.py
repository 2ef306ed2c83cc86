"""Calls to Stripe: every POST under its stored key, every answer as an outcome, no exception for what may happen."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from math import inf
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import stripe

from payment_worker.domain.attempt import Action, Attempt
from payment_worker.domain.observation import RefundSeen
from payment_worker.domain.outcome import (
    Absent,
    Declined,
    Delay,
    Doubt,
    Outcome,
    Partly,
    Postponed,
    Searched,
    Settled,
    Sighting,
    Unanswered,
)
from payment_worker.gateway.errors import NotSentError, no_such_account, outcome_of
from payment_worker.gateway.limits import Held, Pass, endpoint_of
from payment_worker.gateway.naming import answer_name, endpoint_name
from payment_worker.gateway.patience import Seconds, patiently
from payment_worker.gateway.reading import JSON, UnreadableError, payment_seen, refund_seen
from payment_worker.gateway.traffic import Traffic
from payment_worker.telemetry import learned
from payment_worker.telemetry.counted import HELD, STRIPE_SECONDS, label
from payment_worker.telemetry.counting import count, observe

CONNECT_TIMEOUT_SECONDS: Final = 5.0
PAGE: Final = 100
"""Objects a page; Stripe's limit."""

MOST_TRIES_OF_A_PAGE: Final = 3
QUICK_SECONDS: Final = 1.0
BREATH_SECONDS: Final = 0.1

LONGEST_TURN_SECONDS: Final = 5.0
"""How long a call waits for its turn where no lease says so: what comes later comes back later."""

stripe.enable_telemetry = (
    False  # it writes a file under the home directory and adds a header (stripe-python 16.1.0)
)


class Gateway:
    """Stripe, as one process reaches it. Made after a fork: a client's connection may not be shared with a child."""

    def __init__(self, *, api_key: str, api_base: str, timeout_seconds: float, traffic: Traffic) -> None:
        self.timeout_seconds = timeout_seconds
        self._traffic = traffic
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")},
            http_client=stripe.RequestsClient(
                timeout=(min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), timeout_seconds)
            ),
            max_network_retries=0,
        )

    def send(
        self, attempt: Attempt, *, account: str | None, time_left: Seconds, is_paused: Callable[[], bool]
    ) -> Outcome:
        """Send an attempt's request under its key, again and again while that is safe and there is time.

        Repeats connection errors, cut answers, 409 and 429 with the same key and the same parameters.
        """
        sent_before = not attempt.unsent

        def post() -> Outcome:
            nonlocal sent_before
            if is_paused():
                return Postponed(Delay.PAUSED)
            turn = self._turn("post", attempt.path, account, time_left() - self.timeout_seconds)
            if isinstance(turn, Held):
                return Postponed(turn.delay)
            if time_left() <= 0:
                # Whoever takes the attempt over next may already be sending: a process that slept sends no more.
                return Postponed(Delay.LEASE_ENDED)
            outcome = self._post(attempt, account, turn, is_first=not sent_before)
            if sent_before and isinstance(outcome, Settled | Declined):
                # Stripe replays the first execution's answer, whose object may have moved on since.
                outcome = replace(outcome, is_present=False)
            sent_before = True
            return outcome

        return patiently(post, time_left=time_left, call_seconds=self.timeout_seconds)

    def is_down(self, *, account: str | None) -> bool:
        """Whether calls are held because Stripe does not answer."""
        return self._traffic.is_down(account)

    def payment_intent(self, stripe_payment_intent_id: str, *, account: str | None) -> Sighting:
        """The PaymentIntent as it is now."""
        return self._get(
            f"/v1/payment_intents/{stripe_payment_intent_id}",
            # The charge tells until when it can be captured.
            {"expand": ["latest_charge"]},
            account,
            lambda body: Settled(payment_seen(body)),
        )

    def refund(self, stripe_refund_id: str, *, account: str | None) -> Sighting:
        """The Refund as it is now."""
        return self._get(
            f"/v1/refunds/{stripe_refund_id}", {}, account, lambda body: Settled(refund_seen(body))
        )

    def read(
        self, path: str, params: Mapping[str, Any], *, account: str | None
    ) -> JSON | Absent | Unanswered | Postponed:
        """What Stripe answers to a GET, as JSON of the pinned API version; `Absent` where the object is not."""
        try:
            return self._ask(path, params, account)
        except stripe.InvalidRequestError as error:
            gone = error.http_status == 404 or error.code == "resource_missing"  # noqa: PLR2004 - not found
            return Absent() if gone else Unanswered(Doubt.SERVER_ERROR)
        except stripe.StripeError as error:
            outcome = outcome_of(error)
            return outcome if isinstance(outcome, Unanswered | Postponed) else Unanswered(Doubt.SERVER_ERROR)

    def find_payment_intent(
        self,
        payment_id: UUID,
        *,
        since: datetime,
        until: datetime,
        customer: str | None,
        account: str | None,
        after: str | None,
        time_left: Seconds,
    ) -> Searched:
        """The PaymentIntent that carries this payment's id, from the list by creation time.

        That list is consistent, which Stripe's search is not: only here may absence be read.

        Args:
            after: the object after which to go on with an earlier look.
            time_left: until when a page may be awaited. One is read in any case.
        """
        params = {
            "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp()) + 1},
            "customer": customer,
            "expand": ["data.latest_charge"],
        }
        return self._find(
            "/v1/payment_intents",
            params,
            account,
            lambda body: body["metadata"].get("payment_id") == str(payment_id),
            lambda body: Settled(payment_seen(body)),
            after=after,
            time_left=time_left,
        )

    def find_refund(
        self,
        refund_id: UUID,
        *,
        stripe_payment_intent_id: str,
        account: str | None,
        after: str | None,
        time_left: Seconds,
    ) -> Searched:
        """The Refund that carries this refund's id, among those of its PaymentIntent; read as that list is."""
        return self._find(
            "/v1/refunds",
            {"payment_intent": stripe_payment_intent_id},
            account,
            lambda body: (body["metadata"] or {}).get("refund_id") == str(refund_id),
            lambda body: Settled(refund_seen(body)),
            after=after,
            time_left=time_left,
        )

    def refunds_of(
        self, stripe_payment_intent_id: str, *, account: str | None
    ) -> list[RefundSeen] | Unanswered | Postponed:
        """All Refunds of a PaymentIntent."""
        seen: list[RefundSeen] = []

        def gather(body: JSON) -> bool:
            seen.append(refund_seen(body))
            return False

        params = {"payment_intent": stripe_payment_intent_id}
        end = self._find("/v1/refunds", params, account, gather, lambda body: Settled(refund_seen(body)))
        if isinstance(end, Partly):
            # A later page failed: a part of them is not all.
            return Unanswered(Doubt.SILENCE)
        return end if isinstance(end, Unanswered | Postponed) else seen

    def _post(self, attempt: Attempt, account: str | None, turn: Pass, *, is_first: bool) -> Outcome:
        options: dict[str, Any] = {"idempotency_key": attempt.idempotency_key}
        read = refund_seen if attempt.action is Action.REFUND else payment_seen
        try:
            asked = json.loads(attempt.parameters)
            answer = self._call("post", attempt.path, asked, account, turn, options=options)
            return Settled(read(_completed(answer.data, asked)), answer.request_id)
        except stripe.PermissionError as error:
            # Whoever answers an old request so has not said what came of it.
            return (account and is_first and no_such_account(error)) or outcome_of(error)
        except stripe.StripeError as error:
            return outcome_of(error)
        except UnreadableError:
            return Unanswered(Doubt.BROKEN_ANSWER)

    def _get(
        self, path: str, params: Mapping[str, Any], account: str | None, read: Callable[[JSON], Settled]
    ) -> Sighting:
        try:
            return read(self._ask(path, params, account))
        except stripe.InvalidRequestError as error:
            # Stripe answers 404 for an object that this account does not have.
            return Absent() if error.http_status == 404 else Unanswered(Doubt.SERVER_ERROR)  # noqa: PLR2004
        except stripe.StripeError as error:
            return _sighting_of(outcome_of(error))
        except UnreadableError:
            return Unanswered(Doubt.BROKEN_ANSWER)

    def _find(
        self,
        path: str,
        params: Mapping[str, Any],
        account: str | None,
        is_ours: Callable[[JSON], bool],
        read: Callable[[JSON], Settled],
        *,
        after: str | None = None,
        time_left: Seconds = lambda: inf,
    ) -> Searched:
        """Read the list page by page, until the object is found, the list is at its end, or the time is up."""
        read_to = after
        while True:
            searched = self._search(path, params, account, is_ours, read, after=read_to)
            match searched:
                case Partly() if time_left() < self.timeout_seconds:
                    return searched
                case Partly(last):
                    read_to = last
                case Unanswered() | Postponed() if read_to is not None and read_to != after:
                    # What was read before the page that failed need not be read again.
                    return Partly(read_to)
                case _:
                    return searched

    def _search(
        self,
        path: str,
        params: Mapping[str, Any],
        account: str | None,
        is_ours: Callable[[JSON], bool],
        read: Callable[[JSON], Settled],
        *,
        after: str | None,
    ) -> Searched:
        """One page; the first where the object that it should begin after is gone."""
        try:
            page = self._page(path, {**params, "limit": PAGE, "starting_after": after}, account)
            found = next((each for each in page["data"] if is_ours(each)), None)
            if found is not None:
                return read(found)
            return Partly(page["data"][-1]["id"]) if page["has_more"] else Absent()
        except stripe.InvalidRequestError as error:
            if after is not None:
                return self._search(path, params, account, is_ours, read, after=None)
            return _sighting_of(outcome_of(error))
        except stripe.StripeError as error:
            return _sighting_of(outcome_of(error))
        except (UnreadableError, KeyError, TypeError, IndexError):
            return Unanswered(Doubt.BROKEN_ANSWER)

    def _page(self, path: str, params: Mapping[str, Any], account: str | None) -> JSON:
        """One page of a list; asked for again when it fails quickly, or a long list would never come to its end."""
        began = time.monotonic()
        for _ in range(MOST_TRIES_OF_A_PAGE - 1):
            try:
                return self._ask(path, params, account)
            except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError):
                if time.monotonic() - began > QUICK_SECONDS:
                    raise
                time.sleep(BREATH_SECONDS)
        return self._ask(path, params, account)

    def _ask(self, path: str, params: Mapping[str, Any], account: str | None) -> JSON:
        turn = self._turn("get", path, account, LONGEST_TURN_SECONDS)
        if isinstance(turn, Held):
            raise NotSentError(turn.delay)
        body: JSON = self._call("get", path, params, account, turn).data
        return body

    def _turn(self, method: str, path: str, account: str | None, longest_wait: float) -> Pass | Held:
        """Wait for the call's turn, if it comes within this time. No transaction may be open meanwhile."""
        turn = self._traffic.admit(endpoint_of(method, path), account=account, longest_wait=longest_wait)
        if isinstance(turn, Held):
            count(HELD, label(turn.delay))
        elif turn.wait_seconds:
            time.sleep(turn.wait_seconds)
        return turn

    def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        account: str | None,
        turn: Pass,
        *,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:  # noqa: ANN401 - the SDK gives this answer no name that is public
        """One request, and the traffic is told whether Stripe answered. Raises stripe.StripeError."""
        whose = {"stripe_account": account} if account else {}
        name, began = endpoint_name(method, path), time.monotonic()
        try:
            answer = self._client.raw_request(method, path, **params, **options, **whose)
        except stripe.StripeError as error:
            self._note(turn, name, outcome_of(error), error.request_id, began)
            raise
        self._note(turn, name, None, answer.request_id, began)
        return answer

    def _note(
        self, turn: Pass, name: str, outcome: Outcome | None, request_id: str | None, began: float
    ) -> None:
        observe(STRIPE_SECONDS, name, answer_name(outcome), seconds=time.monotonic() - began)
        learned(stripe_request_id=request_id)
        self._traffic.note(turn, outcome)


def _sighting_of(outcome: Outcome) -> Sighting:
    """What a failed read says of the object: nothing, in one of two ways."""
    return outcome if isinstance(outcome, Unanswered | Postponed) else Unanswered(Doubt.SERVER_ERROR)


def _completed(body: JSON, asked: Mapping[str, Any]) -> JSON:
    """An answer with what was asked for where it does not repeat that.

    Stripe does; what stands in for it, a proxy or a fake, may not, and the money has been moved all the same.
    """
    repeated = {
        "amount": asked.get("amount"),
        "currency": asked.get("currency"),
        "amount_received": asked.get("amount_to_capture") if body.get("status") == "succeeded" else None,
    }
    said = {name: value for name, value in body.items() if value is not None}
    return {**repeated, **said}
