"""A model of one payment and of everything that may befall it, for hypothesis to play.

Callers, Stripe's network, the dashboard, the customer, the bank, dying workers and the clock, in any order, against the
real PostgreSQL and the simulator. The simulator's ledger and journal say what really happened to the money.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPException
from itertools import pairwise
from json import JSONDecodeError
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import Connection

from payment_worker.contracts.requests import (
    CancelRequest,
    CaptureRequest,
    ChargeRequest,
    RefundRequest,
    RetryChargeRequest,
    parse,
)
from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from payment_worker.devstack.waiting import wait_until
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.commands.cancel import cancel
from payment_worker.flows.commands.capture import capture
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.commands.refund import continue_refund, refund
from payment_worker.flows.commands.retry_charge import retry_charge, retry_declined
from payment_worker.flows.context import Context
from payment_worker.flows.events.inbox import process_claimed, receive
from payment_worker.flows.events.poll import PollOptions, poll
from payment_worker.flows.maintenance.sweep import FollowUp, claim_due, claim_follow_ups
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.flows.result import CommandResult
from payment_worker.gateway.webhook import event_from
from payment_worker.store.connection.autocommit import Row
from payment_worker.store.connection.database import Database
from payment_worker.store.reconciliation.reconciliation_runs import Run
from tests.flows.limits import ALL_DUE
from tests.flows.scene import AT_THE_CUSTOMERS, Clock, Scene, process_new
from tests.harness.rows import Rows

AMOUNT = 1000
PARTS = (None, 1, 400, 600, AMOUNT)

SUCCEEDING = "pm_card_visa"
METHODS = (
    SUCCEEDING,
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedLostCard",
    "pm_card_threeDSecure2Required",
    "pm_card_pendingRefund",
    "pm_card_refundFail",
    "pm_card_processing",
    "pm_card_processingFail",
)
FIRST_METHODS = (SUCCEEDING,) * 4 + METHODS
"""Most lives begin well, or little could befall them."""
PRESENT_METHODS = (SUCCEEDING, "pm_card_threeDSecure2Required", "pm_card_processing")
"""What a customer who is there may pay with."""

MOMENTS = ("before", "after")
FAULTS = (
    "reset",
    "cut_body",
    "empty",
    "server_error",
    "server_error_unstored",
    "bad_gateway",
    "rate_limited",
    "conflict",
    "latency",
)
LATE_SECONDS = 2
"""Of real time: an answer so late comes after we gave up, and its effect may too."""
LIVE_SECONDS = 100
"""Of the clock's time, in which a request may still be on its way: less than the delay of absence."""

STANDS_FOR = {
    "requires_payment_method": {"FAILED", "REQUIRES_ACTION"},
    "requires_action": {"REQUIRES_ACTION"},
    "processing": {"PROCESSING"},
    "requires_capture": {"AUTHORIZED"},
    "succeeded": {"SUCCEEDED"},
    "canceled": {"CANCELED"},
    None: {"FAILED"},
}
"""The statuses of a payment for that of its PaymentIntent, if it has one, once nothing is under way.

Stripe's `requires_payment_method` is told from a mere decline by its error: with the customer away it may ask for them.
"""

REFUND_STANDS_FOR = {"succeeded": "PROCESSED", "failed": "FAILED", "canceled": "CANCELED"}

POSSIBLE_ELSEWHERE = {
    "capture": {"requires_capture"},
    "expire": {"requires_capture"},
    "cancel": {"requires_payment_method", "requires_action", "requires_capture"},
    "complete": {"requires_action", "processing"},
    "fail": {"requires_action", "processing"},
}
"""What the dashboard, the customer and the bank can do to a PaymentIntent in which states."""

MADE_BY = {
    "payment_intents.create": "charge",
    "payment_intents.capture": "capture",
    "payment_intents.cancel": "cancel",
    "payment_intents.confirm": "retry",
    "refunds.create": "refund",
}
"""The action that asks Stripe for each of these."""

DIFFERENCES = """
SELECT * FROM reconciliation_finding WHERE payment_id = %s AND (status = 'OPEN' OR found_at >= %s)
"""
UNFINISHED = """
SELECT 'attempt' AS what, unknown_reason AS why FROM payment_attempt WHERE payment_id = %s AND finished_at IS NULL
UNION ALL
SELECT 'refund', refund.status FROM refund JOIN payment USING (payment_id) WHERE payment_id = %s
  AND (refund.status = 'PENDING' OR refund.status = 'REQUESTED' AND payment.status <> 'REQUIRES_ACTION')
UNION ALL
SELECT 'payment', status FROM payment WHERE payment_id = %s AND status IN ('REQUESTED', 'PROCESSING')
UNION ALL
SELECT 'event', outcome FROM stripe_event WHERE status = 'RECEIVED'
"""
"""What may not rest. The refund of a payment that waits for its customer waits with it."""

SOME_TROUBLES = st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(MOMENTS)), max_size=3)
WORST_TROUBLES = st.just([("latency", "before"), ("bad_gateway", "before")])
"""Stripe seems to be down while an effect is still on its way: nothing is there yet, and it must not be believed."""
TROUBLES = st.one_of(SOME_TROUBLES, SOME_TROUBLES, SOME_TROUBLES, WORST_TROUBLES)
"""What goes wrong with the first requests."""

DELIVERIES = st.lists(st.one_of(st.none(), st.none(), st.integers(0, 4)), min_size=1, max_size=2)
"""A message is delivered once or twice; for each, before which transaction from then the process dies, if it does."""

FINAL = {"SUCCEEDED", "CANCELED"}
OVERLAP = timedelta(seconds=300)
ROUNDS = 60
"""Rounds after which what still waits waits for ever."""


class DiedError(BaseException):
    """The process is gone: nothing after this line ran."""


class DyingDatabase(Database):
    """A database whose client dies before its nth transaction from now.

    A transaction is all or nothing, so dying within one is dying before it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.dies_before: int | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self._die_in_time()
        with super().begin() as connection:
            yield connection

    def _run(self, statement: str, parameters: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[Row]]:
        self._die_in_time()
        dies_before, self.dies_before = (
            self.dies_before,
            None,
        )  # it may read the clock in a transaction of its own
        try:
            return super()._run(statement, parameters)
        finally:
            self.dies_before = dies_before

    def _die_in_time(self) -> None:
        if self.dies_before is not None:
            self.dies_before -= 1
            if self.dies_before < 0:
                self.dies_before = None
                raise DiedError


@dataclass(frozen=True)
class Message:
    """What a caller sends once, and the broker delivers once or more often."""

    action: str
    arguments: Mapping[str, object]
    message_id: UUID = field(default_factory=uuid4)
    patient: bool = False


class OnePayment(RuleBasedStateMachine):
    """One payment and everything that may befall it."""

    context: Context
    database: DyingDatabase
    simulator: Simulator
    clock: Clock
    rows: Rows

    intents: Sequence[Mapping[str, Any]] = ()
    """What Stripe's ledger showed last."""

    sent = Bundle("sent")

    @initialize(
        target=sent,
        method=st.sampled_from(FIRST_METHODS),
        capture_method=st.sampled_from(["automatic", "manual"]),
        automatic_retries=st.sampled_from([0, 2]),
        troubles=TROUBLES,
        deliveries=DELIVERIES,
    )
    def begin(
        self,
        method: str,
        capture_method: str,
        automatic_retries: int,
        troubles: list[tuple[str, str]],
        deliveries: list[int | None],
    ) -> Message:
        self.simulator.reset()
        self.simulator.advance(self.clock.added.total_seconds())
        self.database.dies_before = None
        self.began: datetime = self.clock()
        self.payment_id = str(uuid4())
        self.order_id, self.method, self.capture_method = str(uuid4()), method, capture_method
        self.automatic_retries = automatic_retries
        policy = self.context.policy
        retries = replace(policy.retries, automatic=automatic_retries, first_delay=timedelta(seconds=300))
        self.here = replace(self.context, policy=replace(policy, retries=retries))
        self.asked: dict[str, set[str]] = {action: set() for action in MADE_BY.values()}
        self.answered: set[str] = set()
        self.unwaited = 0
        for kind, when in troubles:
            self.stripes_answers_go_wrong(kind, when, times=1, method="POST")
        arguments = {
            "payment_id": self.payment_id,
            "order_id": self.order_id,
            "amount": AMOUNT,
            "currency": "EUR",
            "payment_method": self.method,
            "capture_method": self.capture_method,
        }
        return self._send(Message("charge", arguments), deliveries=deliveries)

    @rule(target=sent, amount=st.sampled_from(PARTS), deliveries=DELIVERIES)
    def ask_for_a_refund(self, amount: int | None, deliveries: list[int | None]) -> Message:
        arguments = {"refund_id": str(uuid4()), "payment_id": self.payment_id, "amount": amount}
        return self._send(Message("refund", arguments), deliveries=deliveries)

    @rule(target=sent, amount=st.sampled_from(PARTS), patient=st.booleans(), deliveries=DELIVERIES)
    def ask_for_the_capture(
        self, amount: int | None, *, patient: bool, deliveries: list[int | None]
    ) -> Message:
        arguments = {"payment_id": self.payment_id, "amount": amount}
        return self._send(Message("capture", arguments, patient=patient), deliveries=deliveries)

    @rule(target=sent, patient=st.booleans(), deliveries=DELIVERIES)
    def ask_to_cancel(self, *, patient: bool, deliveries: list[int | None]) -> Message:
        arguments = {"payment_id": self.payment_id, "reason": "abandoned"}
        return self._send(Message("cancel", arguments, patient=patient), deliveries=deliveries)

    @rule(target=sent, method=st.sampled_from([None, *METHODS]), deliveries=DELIVERIES)
    def ask_for_another_try(self, method: str | None, deliveries: list[int | None]) -> Message:
        arguments = {"payment_id": self.payment_id, "payment_method": method}
        return self._send(Message("retry", arguments), deliveries=deliveries)

    @rule(message=sent)
    def a_message_comes_again(self, message: Message) -> None:
        self._send(message)

    @rule(
        kind=st.sampled_from(FAULTS),
        when=st.sampled_from(MOMENTS),
        times=st.integers(1, 4),
        method=st.sampled_from(["POST", "GET"]),
    )
    def stripes_answers_go_wrong(self, kind: str, when: str, times: int, method: str) -> None:
        self.simulator.fault(kind, when=when, times=times, method=method, seconds=LATE_SECONDS)

    @rule(transactions=st.integers(0, 4))
    def the_next_process_dies(self, transactions: int) -> None:
        self.database.dies_before = transactions

    @rule(seconds=st.sampled_from([1, 30, 200, 4000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self._advance(seconds)

    @rule()
    def sweep(self) -> None:
        self._run(self._resume)

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def events_arrive(self, data: st.DataObject) -> None:
        for event in data.draw(st.lists(st.sampled_from(self._events()), max_size=6)):
            self._run(partial(self._hear, event))
        self._run(self._process_new)

    @rule()
    def stripes_events_are_polled(self) -> None:
        self._run(lambda: poll(self.here, PollOptions(overlap=OVERLAP, notify=self._process_new)))

    @rule()
    def the_books_are_compared(self) -> None:
        self._run(self._reconcile)

    @precondition(lambda self: self._possible_elsewhere())
    @rule(data=st.data())
    def somebody_else_moves_it(self, data: st.DataObject) -> None:
        intent, what = data.draw(st.sampled_from(self._possible_elsewhere()))
        self._elsewhere(f"payment_intents/{intent}/{what}")

    @precondition(lambda self: self._with_status("requires_payment_method", "requires_action"))
    @rule(method=st.sampled_from(PRESENT_METHODS))
    def the_customer_tries_again(self, method: str) -> None:
        scene = Scene(self.here, self.simulator, self.clock)
        for intent in self._with_status("requires_payment_method", "requires_action"):
            # What goes wrong at Stripe goes wrong for them too; a cut body is no JSON.
            with suppress(OSError, HTTPException, JSONDecodeError):
                scene.confirm_on_session(intent, method)

    @precondition(lambda self: self._with_status("succeeded"))
    @rule(amount=st.sampled_from([1, 300, AMOUNT]))
    def somebody_refunds_in_the_dashboard(self, amount: int) -> None:
        for intent in self.intents:
            if intent["captured"] - intent["refunded"] >= amount:
                self._elsewhere(f"payment_intents/{intent['id']}/refund", {"amount": amount})

    @precondition(lambda self: self._refunded())
    @rule(data=st.data())
    def the_bank_returns_a_refund(self, data: st.DataObject) -> None:
        self._elsewhere(f"refunds/{data.draw(st.sampled_from(self._refunded()))}/fail")

    @invariant()
    def each_request_has_one_effect_at_the_most(self) -> None:
        if not hasattr(self, "payment_id"):
            return
        self.intents = intents = self._intents()
        assert sum(intent["effects"] for intent in intents) <= 1
        named = [each["metadata"].get("refund_id") for intent in intents for each in intent["refunds"]]
        assert all(count == 1 for name, count in Counter(named).items() if name)
        made = Counter(MADE_BY[entry["endpoint"]] for entry in self._journal() if entry["effect"])
        ours = {str(row["request_id"]) for row in self._attempts("retry")} - self.asked["retry"]
        assert len(ours) <= self.automatic_retries
        for action, count in made.items():
            ourselves = len(ours) if action == "retry" else 0
            assert count <= len(self.asked[action]) + ourselves, f"{action}: {count}"

    @invariant()
    def no_state_moves_back_and_no_refund_exceeds(self) -> None:
        if not hasattr(self, "payment_id"):
            return
        for payment in self.rows("SELECT * FROM payment WHERE payment_id = %s", self.payment_id):
            assert payment["amount_refund_reserved"] <= payment["amount_captured"] <= AMOUNT
        states = [row["to_status"] for row in self._history()]
        for before, after in pairwise(states):
            assert before == after or before not in FINAL
            assert before != "AUTHORIZED" or after in {"AUTHORIZED", *FINAL}
        begun = sum(after == "REQUESTED" != before for before, after in pairwise(states))
        assert begun <= len(self._attempts("retry"))

    def teardown(self) -> None:
        if hasattr(self, "payment_id"):
            self.simulator.delete("faults")
            self.database.dies_before = None
            self._until_quiet()
            self._compare()
            self._compare_what_was_told()
            run = self._reconcile()
            # Stripe knows nothing any more of the payments of earlier lives: they are no matter of this one.
            assert self.rows(DIFFERENCES, self.payment_id, run.started_at) == []

    def _until_quiet(self) -> None:
        heard = 0
        for _ in range(ROUNDS):
            self._advance(200)
            self._resume()
            events = self._events()
            for event in reversed(events):  # what is old comes last, and must not win
                self._hear(event)
            if not self._unfinished() and len(events) == heard:
                return
            heard = len(events)
        raise AssertionError(f"stuck: {self._unfinished()}")

    def _unfinished(self) -> list[dict[str, Any]]:
        return self.rows(UNFINISHED, *(self.payment_id,) * 3)

    def _compare(self) -> None:
        intents = self._intents()
        payments = self.rows("SELECT * FROM payment WHERE payment_id = %s", self.payment_id)
        assert bool(payments) or not intents
        assert bool(payments) or not self.answered
        for payment in payments:
            assert payment["amount_captured"] == sum(intent["captured"] for intent in intents)
            assert payment["amount_refunded"] == sum(intent["refunded"] for intent in intents)
            assert payment["amount_refund_reserved"] == payment["amount_refunded"]
            assert len(intents) <= 1
            assert payment["status"] in STANDS_FOR[intents[0]["status"] if intents else None]
        theirs = {
            each["id"]: (each["amount"], REFUND_STANDS_FOR[each["status"]])
            for intent in intents
            for each in intent["refunds"]
        }
        refunds = self.rows("SELECT * FROM refund WHERE payment_id = %s", self.payment_id)
        ours = {row["stripe_refund_id"]: (row["amount"], row["status"]) for row in refunds}
        assert {each: known for each, known in ours.items() if each} == theirs
        assert self.answered <= {self.payment_id, *(str(row["refund_id"]) for row in refunds)}

    def _compare_what_was_told(self) -> None:
        rows = self.rows("SELECT type FROM outbox WHERE payment_id = %s", self.payment_id)
        told = Counter(row["type"] for row in rows)
        final = {row["to_status"] for row in self._history()[-1:]}
        assert told["PaymentSucceeded"] == ("SUCCEEDED" in final)
        assert told["PaymentCanceled"] == ("CANCELED" in final)
        assert told["PaymentAuthorized"] <= 1
        declined = sum(intent["attempts"] - intent["effects"] for intent in self._intents())
        never_made = [
            row for row in self._attempts("charge", "retry") if row["status"] in {"REFUSED", "ABSENT"}
        ]
        assert told["PaymentFailed"] <= declined + len(never_made)

    def _send(self, message: Message, *, deliveries: Sequence[int | None] = (None,)) -> Message:
        ids = {"charge": self.payment_id, "refund": message.arguments.get("refund_id")}
        self.asked[message.action].add(str(ids.get(message.action, message.message_id)))
        for dies in deliveries:
            if dies is not None:
                self.database.dies_before = dies
            self._run(lambda: self._take(message))
        return message

    def _take(self, message: Message) -> None:
        given, message_id = {k: v for k, v in message.arguments.items() if v is not None}, message.message_id
        match message.action:
            case "charge":
                answer: object = charge(self.here, parse(ChargeRequest, given))
            case "refund":
                answer = refund(self.here, parse(RefundRequest, given))
            case "capture":
                asked = parse(CaptureRequest, given)
                answer = capture(self.here, asked, message_id=message_id, wait_if_busy=message.patient)
            case "cancel":
                asking = parse(CancelRequest, given)
                answer = cancel(self.here, asking, message_id=message_id, wait_if_busy=message.patient)
            case _:
                answer = retry_charge(self.here, parse(RetryChargeRequest, given), message_id=message_id)
        if isinstance(answer, CommandResult):
            self.answered.add(answer.identity)

    def _resume(self) -> None:
        due = claim_due(self.here, ALL_DUE)
        for attempt in due.attempts:
            run_claimed(self.here, attempt.attempt_id, lease_token=attempt.lease_token)
        if due.has_new_events:
            self._process_new()
        for event in due.events:
            process_claimed(self.here, **asdict(event))
        for refund_id in due.waiting_refunds:
            continue_refund(self.here, UUID(str(refund_id)))
        for attempt_id in claim_follow_ups(self.here, FollowUp.RETRIES):
            retry_declined(self.here, attempt_id)

    def _hear(self, event: dict[str, Any]) -> None:
        receive(self.here, event_from(event), source="task")

    def _process_new(self) -> None:
        process_new(self.here)

    def _reconcile(self) -> Run:
        # From before this payment and after the one before it, of which this Stripe knows nothing any more.
        since, until = self.began - timedelta(seconds=100), self.clock() + timedelta(days=1)
        reconciled = reconcile(self.here, since=since, until=until, on_page=lambda _: True)
        assert reconciled is not None
        return reconciled.run

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except DiedError:
            self.database.close()
        finally:
            self.database.dies_before = None

    def _advance(self, seconds: int) -> None:
        self.unwaited += seconds
        if self.unwaited > LIVE_SECONDS:
            wait_until(self._nothing_is_on_its_way)
            self.unwaited = 0
        self.clock.advance(seconds)
        self.simulator.advance(seconds)

    def _elsewhere(self, path: str, body: Mapping[str, object] | None = None) -> None:
        with suppress(
            SimulatorError
        ):  # what was possible just now is not any more: an effect of ours came late
            self.simulator.post(path, body)

    def _nothing_is_on_its_way(self) -> bool:
        late = [entry for entry in self.simulator.journal() if entry["fault"] == "latency"]
        return all(entry["status"] is not None for entry in late)

    def _with_status(self, *statuses: str) -> list[str]:
        return [intent["id"] for intent in self.intents if intent["status"] in statuses]

    def _possible_elsewhere(self) -> list[tuple[str, str]]:
        return [
            (intent, what)
            for what, statuses in POSSIBLE_ELSEWHERE.items()
            for intent in self._with_status(*statuses)
        ]

    def _refunded(self) -> list[str]:
        refunds = [each for intent in self.intents for each in intent["refunds"]]
        return [each["id"] for each in refunds if each["status"] == "succeeded"]

    def _intents(self) -> list[dict[str, Any]]:
        ledger = self.simulator.ledger(**{"metadata[payment_id]": self.payment_id})
        intents: list[dict[str, Any]] = ledger["payment_intents"]
        return intents

    def _journal(self) -> list[dict[str, Any]]:
        """What was asked of Stripe, except by the customer."""
        return [entry for entry in self.simulator.journal() if not entry["key"].startswith(AT_THE_CUSTOMERS)]

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.simulator.get("events")["data"]
        return events

    def _attempts(self, *actions: str) -> list[dict[str, Any]]:
        query = "SELECT * FROM payment_attempt WHERE payment_id = %s AND action = ANY(%s)"
        return self.rows(query, self.payment_id, list(actions))

    def _history(self) -> list[dict[str, Any]]:
        query = (
            "SELECT * FROM payment_history WHERE payment_id = %s AND refund_id IS NULL ORDER BY history_id"
        )
        return self.rows(query, self.payment_id)
