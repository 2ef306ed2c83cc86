"""Whatever happens to one payment, and in whatever order: one effect a request, no way back, and equal books at rest.

Hypothesis plays callers, Stripe's network, the dashboard, the bank, dying workers and the clock against the
real PostgreSQL and the simulator; the simulator's ledger says what really happened to the money.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection

from payment_worker import wiring
from payment_worker.contracts.requests import ChargeRequest, RefundRequest, parse
from payment_worker.devstack.simulator import Simulator
from payment_worker.flows.charge import charge
from payment_worker.flows.inbox import receive, settle_event, settle_handed
from payment_worker.flows.perform import take_handed
from payment_worker.flows.refund import continue_refund, refund
from payment_worker.flows.resume import hand_out_due
from payment_worker.flows.world import World
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.traffic import Traffic
from payment_worker.gateway.webhook import event_from
from payment_worker.redis_client import redis_client
from payment_worker.settings import Settings
from payment_worker.store.database import Database
from tests.harness.rows import Rows
from tests.integration.scene import Clock

AMOUNT = 1000
METHODS = [
    "pm_card_visa",
    "pm_card_visa_chargeDeclined",
    "pm_card_pendingRefund",
    "pm_card_refundFail",
    "pm_card_processing",
]
FAULTS = [
    "reset",
    "cut_body",
    "empty",
    "server_error",
    "server_error_unstored",
    "bad_gateway",
    "rate_limited",
    "conflict",
]
FINAL = {"SUCCEEDED", "CANCELED"}


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
        if self.dies_before is not None:
            self.dies_before -= 1
            if self.dies_before < 0:
                self.dies_before = None
                raise DiedError
        with super().begin() as connection:
            yield connection


class OnePayment(RuleBasedStateMachine):
    """One payment and everything that may befall it."""

    world: World
    database: DyingDatabase
    simulator: Simulator
    clock: Clock
    rows: Rows

    @initialize(method=st.sampled_from(METHODS))
    def begin(self, method: str) -> None:
        self.simulator.reset()
        self.payment_id, self.order_id, self.method = str(uuid4()), str(uuid4()), method
        self.refunds: dict[str, int | None] = {}
        self.statuses: dict[str, str] = {}
        self.database.dies_before = None

    @rule()
    def ask_for_the_charge(self) -> None:
        arguments = {
            "payment_id": self.payment_id,
            "order_id": self.order_id,
            "amount": AMOUNT,
            "currency": "EUR",
            "payment_method": self.method,
        }
        self._run(lambda: charge(self.world, parse(ChargeRequest, arguments)))

    @rule(amount=st.sampled_from([None, 1, 400, 600, AMOUNT]))
    def ask_for_a_refund(self, amount: int | None) -> None:
        refund_id = str(uuid4())
        self.refunds[refund_id] = amount
        self._refund(refund_id)

    @rule(data=st.data())
    def ask_for_a_refund_again(self, data: st.DataObject) -> None:
        if self.refunds:
            self._refund(data.draw(st.sampled_from(sorted(self.refunds))))

    @rule(kind=st.sampled_from(FAULTS), when=st.sampled_from(["before", "after"]), times=st.integers(1, 4))
    def stripes_answers_go_wrong(self, kind: str, when: str, times: int) -> None:
        self.simulator.fault(kind, when=when, times=times, method="POST")

    @rule(transactions=st.integers(0, 4))
    def the_next_process_dies(self, transactions: int) -> None:
        self.database.dies_before = transactions

    @rule(seconds=st.sampled_from([1, 30, 200, 4000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.simulator.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self._run(self._resume)

    @rule(data=st.data())
    def events_arrive(self, data: st.DataObject) -> None:
        events = self._events()
        if events:
            for event in data.draw(st.lists(st.sampled_from(events), max_size=6)):
                self._run(partial(self._hear, event))

    @rule(amount=st.sampled_from([1, 300, AMOUNT]))
    def somebody_refunds_in_the_dashboard(self, amount: int) -> None:
        for intent in self._ledger()["payment_intents"]:
            if intent["captured"] - intent["refunded"] - intent["refund_pending"] >= amount:
                self.simulator.post(f"payment_intents/{intent['id']}/refund", {"amount": amount})

    @rule(data=st.data())
    def the_bank_returns_a_refund(self, data: st.DataObject) -> None:
        done = [
            each
            for intent in self._ledger()["payment_intents"]
            for each in intent["refunds"]
            if each["status"] == "succeeded"
        ]
        if done:
            self.simulator.post(f"refunds/{data.draw(st.sampled_from(done))['id']}/fail")

    @invariant()
    def each_request_has_one_effect_at_the_most(self) -> None:
        if not hasattr(self, "payment_id"):
            return
        intents = self._ledger()["payment_intents"]
        assert sum(intent["effects"] for intent in intents) <= 1
        named = [each["metadata"].get("refund_id") for intent in intents for each in intent["refunds"]]
        ours = [name for name in named if name]
        assert len(ours) == len(set(ours))

    @invariant()
    def no_state_moves_back_and_no_refund_exceeds(self) -> None:
        if not hasattr(self, "payment_id"):
            return
        for payment in self.rows("SELECT * FROM payment WHERE payment_id = %s", self.payment_id):
            before = self.statuses.get(self.payment_id)
            assert before not in FINAL or payment["status"] == before
            self.statuses[self.payment_id] = payment["status"]
            assert payment["amount_refund_reserved"] <= payment["amount_captured"]

    def teardown(self) -> None:
        if hasattr(self, "payment_id"):
            self.simulator.delete("faults")
            self.database.dies_before = None
            self._until_quiet()
            self._compare()

    def _until_quiet(self) -> None:
        heard = 0
        for _ in range(40):
            self.clock.advance(200)
            self.simulator.advance(200)
            self._resume()
            events = self._events()
            for event in events:
                self._hear(event)
            if not self._unfinished() and len(events) == heard:
                return
            heard = len(events)
        raise AssertionError(f"stuck: {self._unfinished()}")

    def _unfinished(self) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT 'attempt' AS what, doubt AS why FROM payment_attempt WHERE payment_id = %s AND finished_at IS NULL"
            " UNION ALL SELECT 'refund', status FROM refund WHERE payment_id = %s"
            " AND status IN ('REQUESTED', 'PENDING')"
            " UNION ALL SELECT 'payment', status FROM payment WHERE payment_id = %s"
            " AND status IN ('REQUESTED', 'PROCESSING')"
            " UNION ALL SELECT 'event', outcome FROM stripe_event WHERE status = 'RECEIVED'",
            *(self.payment_id,) * 3,
        )

    def _compare(self) -> None:
        intents = self._ledger()["payment_intents"]
        payments = self.rows("SELECT * FROM payment WHERE payment_id = %s", self.payment_id)
        assert bool(payments) or not intents
        for payment in payments:
            assert payment["amount_captured"] == sum(intent["captured"] for intent in intents)
            assert payment["amount_refunded"] == sum(intent["refunded"] for intent in intents)
            assert payment["amount_refund_reserved"] == payment["amount_refunded"]
        theirs = {
            each["id"]: (each["amount"], each["status"]) for intent in intents for each in intent["refunds"]
        }
        ours = self.rows(
            "SELECT stripe_refund_id, amount, status FROM refund"
            " WHERE payment_id = %s AND stripe_refund_id IS NOT NULL",
            self.payment_id,
        )
        words = {"PROCESSED": "succeeded", "FAILED": "failed", "CANCELED": "canceled"}
        assert {row["stripe_refund_id"]: (row["amount"], words[row["status"]]) for row in ours} == theirs

    def _refund(self, refund_id: str) -> None:
        arguments = {"refund_id": refund_id, "payment_id": self.payment_id, "amount": self.refunds[refund_id]}
        self._run(lambda: refund(self.world, parse(RefundRequest, arguments)))

    def _resume(self) -> None:
        due = hand_out_due(self.world)
        for attempt in due.attempts:
            take_handed(self.world, attempt.attempt_id, lease_token=attempt.lease_token)
        for account, event_id, lease_token in due.events:
            settle_handed(self.world, stripe_account=account, event_id=event_id, lease_token=lease_token)
        for refund_id in due.waiting_refunds:
            continue_refund(self.world, UUID(str(refund_id)))

    def _hear(self, event: dict[str, Any]) -> None:
        stored = receive(self.world, event_from(event), source="task")
        if stored:
            settle_event(self.world, stored)

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except DiedError:
            self.database.close()
        finally:
            self.database.dies_before = None

    def _ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = self.simulator.get("ledger", **{"metadata[payment_id]": self.payment_id})
        return ledger

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.simulator.get("events")["data"]
        return events


@pytest.mark.timeout(300)
def test_nothing_that_befalls_one_payment_breaks_the_promise(
    world: World, environment: dict[str, str], simulator: Simulator, clock: Clock, rows: Rows
) -> None:
    # The breaker counts in real time, which does not pass here: it has tests of its own.
    settled = Settings.from_environment({**environment, "PAYMENT_WORKER_BREAKER_FAILURES": "1000"})
    traffic = Traffic(redis_client(environment["REDIS_URL"], timeout_seconds=1), wiring.limits(settled))
    with closing(DyingDatabase(environment["DATABASE_URL"])) as database:
        stripe = Gateway(
            api_key=environment["STRIPE_API_KEY"],
            api_base=simulator.url,
            timeout_seconds=0.3,
            traffic=traffic,
        )
        # A short lease in real time: a call that gets no answer is not repeated for long.
        policy = replace(world.policy, lease=timedelta(seconds=0.6))

        class Here(OnePayment):
            pass

        Here.database, Here.simulator, Here.clock, Here.rows = database, simulator, clock, rows
        Here.world = replace(world, database=database, stripe=stripe, policy=policy)
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=int(os.environ.get("EXAMPLES", "20")),
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
