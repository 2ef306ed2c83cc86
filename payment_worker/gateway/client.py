"""Sends requests to Stripe under stored idempotency keys, looks up, retrieves; returns outcomes instead of raising."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

import stripe

from payment_worker.domain.attempts.attempt import ON_EXISTING, Action, Attempt
from payment_worker.domain.attempts.outcome import (
    Absent,
    Declined,
    Delay,
    LookupResult,
    Outcome,
    Postponed,
    Rejected,
    ScanIncomplete,
    ScanResult,
    Shown,
    Unanswered,
    UnknownReason,
)
from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.snapshots import DisputeSnapshot, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.lists.list_scan import BREATH_SECONDS, ScanQuery, find, shows_what_was_sent
from payment_worker.gateway.parsing import (
    JSON,
    UnreadableError,
    balance_transaction_of,
    dispute_snapshot,
    payment_intent_snapshot,
    refund_snapshot,
)
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.gateway.rate_limit.limits import Permit, Throttled
from payment_worker.gateway.transport.connection import Connection
from payment_worker.gateway.transport.errors import is_replayed, no_such_account, outcome_of, sighting_of
from payment_worker.gateway.transport.retries import Seconds, with_retries

MADE_UNDER_A_KEY: Final[Mapping[Action, Sequence[str]]] = MappingProxyType(
    {
        Action.CHARGE: (
            "payment_intent.created",
            "payment_intent.succeeded",
            "payment_intent.amount_capturable_updated",
        ),
        Action.REFUND: ("refund.created",),
    }
)
"""Events whose object a request of this action created. Several, because one of them may be late on the list."""


class Gateway:
    """Stripe, as one process reaches it. Made after a fork: a client's connection may not be shared with a child."""

    def __init__(
        self,
        *,
        api_keys: Mapping[str, ApiKey],
        api_base: str,
        timeout_seconds: float,
        rate_limiter: RateLimiter,
    ) -> None:
        """Set up.

        Args:
            api_keys: by the name of their account; the default one's is empty.
            api_base: the base URL of Stripe's API.
            timeout_seconds: how long one call may take (`PAYMENT_WORKER_STRIPE_TIMEOUT`).
            rate_limiter: of all processes.
        """
        self.keys = frozenset(api_keys)
        self.timeout_seconds = timeout_seconds
        self._connection = Connection(
            api_keys=api_keys,
            api_base=api_base,
            timeout_seconds=timeout_seconds,
            rate_limiter=rate_limiter,
        )

    def send(
        self, attempt: Attempt, *, account: str, time_left: Seconds, is_paused: Callable[[], bool]
    ) -> Outcome:
        """Send an attempt's request under its key, with retries while they are safe and there is time.

        Retries connection errors, truncated responses, 409 and 429 with the same key and the same parameters.
        """
        sent_before = may_be_executed = not attempt.never_sent

        def post() -> Outcome:
            nonlocal sent_before, may_be_executed
            if is_paused():
                return Postponed(Delay.PAUSED)
            permit = self._connection.permit(
                "post", attempt.path, account, time_left() - self.timeout_seconds
            )
            if isinstance(permit, Throttled):
                return Postponed(permit.delay)
            if time_left() <= 0:
                # Another worker may own the attempt by now: a process that was suspended must not send any more.
                return Postponed(Delay.LEASE_EXPIRED)
            outcome = self._post(attempt, account, permit, is_first=not sent_before)
            if sent_before and isinstance(outcome, Shown | Declined):
                # Stripe replays the first execution's response, whose object may have changed since. Stripe says so
                # in a header; a fake may not.
                outcome = replace(outcome, is_present=False)
            if may_be_executed and isinstance(outcome, Rejected) and attempt.action not in ON_EXISTING:
                # This request was rejected. An earlier one got no response, and may have been executed.
                outcome = (
                    outcome
                    if outcome.is_replayed
                    else Unanswered(UnknownReason.REJECTED_LATER, outcome.stripe_request_id)
                )
            sent_before, may_be_executed = True, may_be_executed or isinstance(outcome, Unanswered)
            return outcome

        return with_retries(post, time_left=time_left, call_seconds=self.timeout_seconds)

    def now(self) -> datetime | None:
        """Stripe's time by its last response; None before the first."""
        return self._connection.clock.now()

    def breaker_is_open(self, *, account: str) -> bool:
        """Whether the circuit breaker is open because Stripe does not respond."""
        return self._connection.breaker_is_open(account)

    def payment_intent(self, stripe_payment_intent_id: str, *, account: str) -> LookupResult:
        """The PaymentIntent as it is now."""
        return _as_lookup_result(fetch_payment_intent(self, stripe_payment_intent_id, account=account))

    def refund(self, stripe_refund_id: str, *, account: str) -> LookupResult:
        """The Refund as it is now."""
        return _as_lookup_result(fetch_refund(self, stripe_refund_id, account=account))

    def read(
        self, path: str, params: Mapping[str, Any], *, account: str
    ) -> JSON | Absent | Unanswered | Postponed:
        """Stripe's response to a GET, as JSON of the pinned API version; `Absent` if the object does not exist."""
        try:
            return self._connection.ask(path, params, account)
        except stripe.InvalidRequestError as error:
            # Stripe responds 404 for an object that this account does not have, and 400 for such a cursor of a list.
            is_absent = error.http_status == 404 or error.code == "resource_missing"  # noqa: PLR2004
            return Absent() if is_absent else Unanswered(UnknownReason.SERVER_ERROR)
        except stripe.StripeError as error:
            return sighting_of(outcome_of(error))

    def find_payment_intent(
        self,
        parameters: Mapping[str, Any],
        *,
        since: datetime,
        until: datetime,
        customer: str | None,
        account: str,
        after: str | None,
        time_left: Seconds,
    ) -> ScanResult:
        """Find the PaymentIntent that matches the sent parameters, on the list by creation time.

        That list is consistent, which Search is not: only here is absence proven.

        Args:
            parameters: those that were stored with the attempt.
            after: the object after which an earlier look-up continues.
            time_left: seconds in which pages may be read. One is read in any case.
        """
        query = ScanQuery(
            path="/v1/payment_intents",
            params={
                "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp()) + 1},
                "customer": customer,
                "expand": ["data.latest_charge"],
            },
            account=account,
            is_ours=lambda body: shows_what_was_sent(body, parameters),
            read=lambda body: Shown(payment_intent_snapshot(body)),
        )
        return find(self._connection, query, after=after, time_left=time_left)

    def find_refund(
        self,
        parameters: Mapping[str, Any],
        *,
        account: str,
        after: str | None,
        time_left: Seconds,
    ) -> ScanResult:
        """The Refund that shows what was sent to make it, among those of its PaymentIntent; read as that list is."""
        query = ScanQuery(
            path="/v1/refunds",
            params={"payment_intent": parameters["payment_intent"]},
            account=account,
            is_ours=lambda body: shows_what_was_sent(body, parameters),
            read=lambda body: Shown(refund_snapshot(body)),
        )
        return find(self._connection, query, after=after, time_left=time_left)

    def find_by_key(
        self,
        attempt: Attempt,
        *,
        since: datetime,
        until: datetime,
        account: str,
        after: str | None,
        time_left: Seconds,
    ) -> ScanResult:
        """What a charge or refund attempt created, from the events of requests under its key.

        Nobody can change events, as they can an object's metadata.
        """
        query = ScanQuery(
            path="/v1/events",
            params={
                "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp()) + 1},
                "types": list(MADE_UNDER_A_KEY[attempt.action]),
            },
            account=account,
            is_ours=lambda body: (
                (body.get("request") or {}).get("idempotency_key") == attempt.idempotency_key
            ),
            read=lambda body: self.made_by(attempt, str(body["data"]["object"]["id"]), account=account),
        )
        return find(self._connection, query, after=after, time_left=time_left)

    def made_by(self, attempt: Attempt, object_id: str, *, account: str) -> LookupResult:
        """The current PaymentIntent or Refund that, by an event, an attempt has created: it cannot be absent."""
        is_refund = attempt.action is Action.REFUND
        result = (
            self.refund(object_id, account=account)
            if is_refund
            else self.payment_intent(object_id, account=account)
        )
        return Unanswered(UnknownReason.TRUNCATED_ANSWER) if isinstance(result, Absent) else result

    def refunds_of(
        self, stripe_payment_intent_id: str, *, account: str
    ) -> list[RefundSnapshot] | Unanswered | Postponed:
        """All Refunds of a PaymentIntent."""
        refunds: dict[str, RefundSnapshot] = {}

        def gather(body: JSON) -> bool:
            refund = refund_snapshot(body)
            refunds[refund.stripe_refund_id] = refund
            return False

        query = ScanQuery(
            path="/v1/refunds",
            params={"payment_intent": stripe_payment_intent_id},
            account=account,
            is_ours=gather,
            read=lambda body: Shown(refund_snapshot(body)),
        )
        end = find(self._connection, query)
        while isinstance(end, ScanIncomplete):
            # A later page failed. What was read before it need not be read again.
            time.sleep(BREATH_SECONDS)
            end = find(self._connection, query, after=end.after)
        return end if isinstance(end, Unanswered | Postponed) else list(refunds.values())

    def _post(self, attempt: Attempt, account: str, permit: Permit, *, is_first: bool) -> Outcome:
        options: dict[str, Any] = {"idempotency_key": attempt.idempotency_key}
        parse = refund_snapshot if attempt.action is Action.REFUND else payment_intent_snapshot
        try:
            parameters = json.loads(attempt.parameters)
            response = self._connection.call(
                "post", attempt.path, parameters, account, permit, options=options
            )
            snapshot = parse(_with_requested_values(response.data, parameters))
            return Shown(snapshot, response.request_id, is_present=not is_replayed(response.headers))
        except stripe.PermissionError as error:
            # For a request that was sent before, this response does not say what became of the first one.
            return (account and is_first and no_such_account(error)) or outcome_of(error)
        except stripe.StripeError as error:
            return outcome_of(error)
        except UnreadableError:
            return Unanswered(UnknownReason.TRUNCATED_ANSWER)


def _with_requested_values(body: JSON, parameters: Mapping[str, Any]) -> JSON:
    """A response, completed with the requested values that it does not repeat.

    Stripe repeats them; a proxy or a fake may not, although the request was executed.
    """
    requested = {
        "amount": parameters.get("amount"),
        "currency": parameters.get("currency"),
        "amount_received": parameters.get("amount_to_capture") if body.get("status") == "succeeded" else None,
    }
    shown = {name: value for name, value in body.items() if value is not None}
    return {**requested, **shown}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The object is there, in another shape than the pinned API version gives it: asking again is of no use."""


NotFetched = Absent | Unreadable | Unanswered | Postponed


def _as_lookup_result(fetched: PaymentIntentSnapshot | RefundSnapshot | NotFetched) -> LookupResult:
    """What was retrieved as a look-up has it, for which what cannot be read is no answer."""
    match fetched:
        case PaymentIntentSnapshot() | RefundSnapshot():
            return Shown(fetched)
        case Unreadable():
            return Unanswered(UnknownReason.TRUNCATED_ANSWER)
        case _:
            return fetched


def fetch_payment_intent(
    gateway: Gateway, stripe_payment_intent_id: str, *, account: str
) -> PaymentIntentSnapshot | NotFetched:
    """Retrieve the PaymentIntent, with its charge, which says until when it can be captured."""
    path = f"/v1/payment_intents/{stripe_payment_intent_id}"
    return fetch(gateway, path, account, payment_intent_snapshot, {"expand": ["latest_charge"]})


def fetch_refund(gateway: Gateway, stripe_refund_id: str, *, account: str) -> RefundSnapshot | NotFetched:
    """Retrieve the Refund."""
    return fetch(gateway, f"/v1/refunds/{stripe_refund_id}", account, refund_snapshot)


def fetch_dispute(gateway: Gateway, stripe_dispute_id: str, *, account: str) -> DisputeSnapshot | NotFetched:
    """Retrieve the dispute."""
    return fetch(gateway, f"/v1/disputes/{stripe_dispute_id}", account, dispute_snapshot)


def fetch_balance_transaction(
    gateway: Gateway, stripe_balance_transaction_id: str, *, account: str
) -> BalanceTransaction | NotFetched:
    """Retrieve a balance transaction."""
    return fetch(
        gateway, f"/v1/balance_transactions/{stripe_balance_transaction_id}", account, balance_transaction_of
    )


def fetch(
    gateway: Gateway,
    path: str,
    account: str,
    parse: Callable[[JSON], T],
    params: Mapping[str, Any] = MappingProxyType({}),
) -> T | NotFetched:
    """Retrieve and parse the object at this path."""
    body = gateway.read(path, params, account=account)
    if isinstance(body, Absent | Unanswered | Postponed):
        return body
    try:
        return parse(body)
    except UnreadableError:
        return Unreadable()
