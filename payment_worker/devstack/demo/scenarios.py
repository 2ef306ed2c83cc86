"""The scenarios of the demo: each sends requests, waits for final statuses, and returns its payments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, text

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.stack import Stack
from payment_worker.devstack.waiting import wait_until

# Longer than two leases, two absence delays and a worker's start together.
_TIMEOUT_SECONDS = 45


@dataclass(frozen=True)
class Outcome:
    """The payments of a scenario, and what it observed."""

    payment_ids: list[str]
    seen: str


@dataclass(frozen=True)
class Scenario:
    """One scenario. `needs_faults`: it needs the simulator's faults."""

    title: str
    run: Callable[["Environment"], Outcome]
    needs_faults: bool = False


@dataclass(frozen=True)
class Environment:
    """The running system, as scenarios use it."""

    stack: Stack
    database: Engine

    @property
    def simulator(self) -> Simulator:
        """The simulator of a scenario that needs faults."""
        if self.stack.simulator is None:
            raise RuntimeError("this scenario needs the simulator")
        return self.stack.simulator

    @contextmanager
    def no_webhooks(self) -> Iterator[None]:
        """Lose all webhooks in this block, so that only the worker's own look-ups can help."""
        self.simulator.post("webhooks/mode", {"mode": "drop"})
        try:
            yield
        finally:
            self.simulator.post("webhooks/mode", {"mode": "normal"})

    def wait(self, table: str, ids: list[str], *statuses: str) -> None:
        """Wait until each of the rows of `payment` or `refund` has one of the statuses."""
        key = f"{table}_id"
        found = f"{key} = ANY(CAST(:ids AS uuid[])) AND status = ANY(:statuses)"
        query = text(f"SELECT count(*) FROM {table} WHERE {found}")  # noqa: S608 two names of ours

        def arrived() -> bool:
            with self.database.connect() as connection:
                parameters = {"ids": ids, "statuses": list(statuses)}
                return bool(connection.execute(query, parameters).scalar_one() == len(ids))

        what = f"{len(ids)} rows of {table} that are {' or '.join(statuses)}"
        wait_until(arrived, seconds=_TIMEOUT_SECONDS, what=what, every_seconds=0.05)


def charges_that_succeed(environment: Environment) -> Outcome:
    """Four currencies with two, none and three decimals; each message sent three times."""
    asked = ((4_999, "EUR"), (129_900, "USD"), (5_400, "JPY"), (12_340, "KWD"), (777, "GBP"))
    payments = [environment.stack.shop.charge(amount, currency, copies=3) for amount, currency in asked]
    environment.wait("payment", payments, "SUCCEEDED")
    return Outcome(payments, f"{3 * len(payments)} messages, {len(payments)} payments")


def charges_that_are_declined(environment: Environment) -> Outcome:
    """A decline is an outcome: it is recorded, and nothing retries it."""
    cards = (
        "pm_card_visa_chargeDeclined",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedExpiredCard",
    )
    payments = [environment.stack.shop.charge(2_500, "EUR", card) for card in cards]
    environment.wait("payment", payments, "FAILED")
    query = text("SELECT decline_code FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))")
    with environment.database.connect() as connection:
        codes = [code or "declined" for code in connection.execute(query, {"ids": payments}).scalars()]
    return Outcome(payments, ", ".join(sorted(codes)))


def refunds_partial_and_whole(environment: Environment) -> Outcome:
    """Two parts of one charge, and all of another; each message sent twice."""
    shop = environment.stack.shop
    payments = [shop.charge(10_000, "EUR"), shop.charge(8_050, "USD")]
    environment.wait("payment", payments, "SUCCEEDED")
    refunds = [
        shop.refund(payments[0], 2_500, copies=2),
        shop.refund(payments[0], 1_999, copies=2),
        shop.refund(payments[1], copies=2),
    ]
    environment.wait("refund", refunds, "PROCESSED")
    return Outcome(payments, "6 messages, 3 refunds: two in part, one of all")


def a_dispute_another_currency_and_a_payout(environment: Environment) -> Outcome:
    """Francs that settle in euros, a charge that is disputed, and a payout of the rest."""
    shop, simulator = environment.stack.shop, environment.simulator
    simulator.post("exchange", {"currency": "chf", "settles_in": "eur", "rate": 1.0731})
    simulator.post("settings", {"balance_available_delay_seconds": 0, "payout_arrival_delay_seconds": 1})
    payments = [shop.charge(15_500, "CHF"), shop.charge(6_600, "EUR", "pm_card_createDispute")]
    environment.wait("payment", payments, "SUCCEEDED")
    query = text("SELECT count(*) FROM dispute WHERE payment_id = CAST(:id AS uuid)")

    def disputed() -> bool:
        with environment.database.connect() as connection:
            return bool(connection.execute(query, {"id": payments[1]}).scalar_one())

    wait_until(disputed, seconds=_TIMEOUT_SECONDS, what="the dispute is recorded")
    paid_out = simulator.post("payouts")["payouts"]
    return Outcome(payments, f"1 exchange, 1 dispute, {_counted(len(paid_out), 'payout')}")


def a_response_that_is_lost(environment: Environment) -> Outcome:
    """Stripe executes the charge, and the connection breaks before the response, twice. No webhook arrives."""
    create = {"endpoint": "payment_intents.create", "params": {"amount": "31337"}}
    environment.simulator.fault("reset", when="after", times=2, **create)
    with environment.no_webhooks():
        payments = [environment.stack.shop.charge(31_337, "EUR")]
        environment.wait("payment", payments, "SUCCEEDED")
    return Outcome(payments, f"{_requests(environment, payments[0])}, no webhook")


def a_worker_killed_in_the_middle_of_a_charge(environment: Environment) -> Outcome:
    """SIGKILL after Stripe executed the charge and before its response. Another worker takes over."""
    create = {"endpoint": "payment_intents.create", "params": {"amount": "64200"}}
    environment.simulator.fault("latency", when="after", seconds=2, **create)
    with environment.no_webhooks():
        payments = [environment.stack.shop.charge(64_200, "EUR")]
        wait_until(
            lambda: [entry for entry in _journal(environment, payments[0]) if entry["effect"]],
            seconds=_TIMEOUT_SECONDS,
            what="Stripe takes the money",
        )
        environment.stack.processes["worker"].kill()
        environment.stack.replace_worker()
        environment.wait("payment", payments, "SUCCEEDED")
    return Outcome(payments, f"SIGKILL; {_requests(environment, payments[0])}, no webhook")


def _journal(environment: Environment, payment_id: str) -> list[dict[str, object]]:
    entries = environment.simulator.journal(endpoint="payment_intents.create")
    return [entry for entry in entries if payment_id in str(entry["params"])]


def _requests(environment: Environment, payment_id: str) -> str:
    requests = _journal(environment, payment_id)
    keys = {entry["key"] for entry in requests}
    return f"{_counted(len(requests), 'request')} under {_counted(len(keys), 'key')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


SCENARIOS = (
    Scenario("Charges that succeed", charges_that_succeed),
    Scenario("Charges that are declined", charges_that_are_declined),
    Scenario("Refunds, partial and whole", refunds_partial_and_whole),
    Scenario(
        "A dispute, another currency, a payout",
        a_dispute_another_currency_and_a_payout,
        needs_faults=True,
    ),
    Scenario("A response that is lost", a_response_that_is_lost, needs_faults=True),
    Scenario("A worker killed in mid-charge", a_worker_killed_in_the_middle_of_a_charge, needs_faults=True),
)
