"""The scenarios of the demo: each sends requests, waits for final statuses, and returns its payments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, text

from payment_worker.devstack.simulator import Simulator
from payment_worker.devstack.stack import Stack
from payment_worker.devstack.waiting import wait_until

# Longer than two leases, two absence delays and a worker's start together.
_PATIENCE_SECONDS = 45


@dataclass(frozen=True)
class Told:
    """How a story went: the payments it was about, and what was seen on the way."""

    payment_ids: list[str]
    seen: str


@dataclass(frozen=True)
class Story:
    """`needs_faults`: it hurts Stripe, which only the simulator bears."""

    title: str
    tell: Callable[["World"], Told]
    needs_faults: bool = False


@dataclass(frozen=True)
class World:
    """Where stories happen."""

    stack: Stack
    database: Engine

    @property
    def simulator(self) -> Simulator:
        """The simulator of a story that needs faults."""
        if self.stack.simulator is None:
            raise RuntimeError("this story needs the simulator")
        return self.stack.simulator

    @contextmanager
    def no_webhooks(self) -> Iterator[None]:
        """Meanwhile Stripe's webhooks are lost, so that nothing but the worker's own asking can help."""
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
        wait_until(arrived, seconds=_PATIENCE_SECONDS, what=what, every_seconds=0.05)


def charges_that_succeed(world: World) -> Told:
    """Four currencies with two, none and three decimals; each message sent three times."""
    asked = ((4_999, "EUR"), (129_900, "USD"), (5_400, "JPY"), (12_340, "KWD"), (777, "GBP"))
    payments = [world.stack.shop.charge(amount, currency, copies=3) for amount, currency in asked]
    world.wait("payment", payments, "SUCCEEDED")
    return Told(payments, f"{3 * len(payments)} messages, {len(payments)} payments")


def charges_that_are_declined(world: World) -> Told:
    """The issuer's no is an answer: it is noted, and nothing retries it."""
    cards = (
        "pm_card_visa_chargeDeclined",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedExpiredCard",
    )
    payments = [world.stack.shop.charge(2_500, "EUR", card) for card in cards]
    world.wait("payment", payments, "FAILED")
    query = text("SELECT decline_code FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))")
    with world.database.connect() as connection:
        codes = [code or "declined" for code in connection.execute(query, {"ids": payments}).scalars()]
    return Told(payments, ", ".join(sorted(codes)))


def refunds_partial_and_whole(world: World) -> Told:
    """Two parts of one charge, and all of another; each message sent twice."""
    shop = world.stack.shop
    payments = [shop.charge(10_000, "EUR"), shop.charge(8_050, "USD")]
    world.wait("payment", payments, "SUCCEEDED")
    refunds = [
        shop.refund(payments[0], 2_500, copies=2),
        shop.refund(payments[0], 1_999, copies=2),
        shop.refund(payments[1], copies=2),
    ]
    world.wait("refund", refunds, "PROCESSED")
    return Told(payments, "6 messages, 3 refunds: two in part, one of all")


def a_dispute_another_currency_and_a_payout(world: World) -> Told:
    """Francs that are kept as euros, a charge that the customer's bank takes back, and what is left paid out."""
    shop, simulator = world.stack.shop, world.simulator
    simulator.post("exchange", {"currency": "chf", "settles_in": "eur", "rate": 1.0731})
    simulator.post("settings", {"balance_available_delay_seconds": 0, "payout_arrival_delay_seconds": 1})
    payments = [shop.charge(15_500, "CHF"), shop.charge(6_600, "EUR", "pm_card_createDispute")]
    world.wait("payment", payments, "SUCCEEDED")
    query = text("SELECT count(*) FROM dispute WHERE payment_id = CAST(:id AS uuid)")

    def disputed() -> bool:
        with world.database.connect() as connection:
            return bool(connection.execute(query, {"id": payments[1]}).scalar_one())

    wait_until(disputed, seconds=_PATIENCE_SECONDS, what="the dispute is recorded")
    paid_out = simulator.post("payouts")["payouts"]
    return Told(payments, f"1 exchange, 1 dispute, {_counted(len(paid_out), 'payout')}")


def an_answer_that_is_lost_and_found(world: World) -> Told:
    """Stripe takes the money, and the connection breaks before it can say so, twice. No webhook helps."""
    create = {"endpoint": "payment_intents.create", "params": {"amount": "31337"}}
    world.simulator.fault("reset", when="after", times=2, **create)
    with world.no_webhooks():
        payments = [world.stack.shop.charge(31_337, "EUR")]
        world.wait("payment", payments, "SUCCEEDED")
    return Told(payments, f"{_requests(world, payments[0])}, no webhook")


def a_worker_killed_in_the_middle_of_a_charge(world: World) -> Told:
    """SIGKILL after Stripe took the money and before the worker heard of it. Another worker takes over."""
    create = {"endpoint": "payment_intents.create", "params": {"amount": "64200"}}
    world.simulator.fault("latency", when="after", seconds=2, **create)
    with world.no_webhooks():
        payments = [world.stack.shop.charge(64_200, "EUR")]
        wait_until(
            lambda: [entry for entry in _journal(world, payments[0]) if entry["effect"]],
            seconds=_PATIENCE_SECONDS,
            what="Stripe takes the money",
        )
        world.stack.processes["worker"].kill()
        world.stack.replace_worker()
        world.wait("payment", payments, "SUCCEEDED")
    return Told(payments, f"SIGKILL; {_requests(world, payments[0])}, no webhook")


def _journal(world: World, payment_id: str) -> list[dict[str, object]]:
    entries = world.simulator.journal(endpoint="payment_intents.create")
    return [entry for entry in entries if payment_id in str(entry["params"])]


def _requests(world: World, payment_id: str) -> str:
    heard = _journal(world, payment_id)
    keys = {entry["key"] for entry in heard}
    return f"{_counted(len(heard), 'request')} under {_counted(len(keys), 'key')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


STORIES = (
    Story("Charges that succeed", charges_that_succeed),
    Story("Charges that are declined", charges_that_are_declined),
    Story("Refunds, partial and whole", refunds_partial_and_whole),
    Story(
        "A dispute, another currency, a payout",
        a_dispute_another_currency_and_a_payout,
        needs_faults=True,
    ),
    Story("An answer that is lost and found", an_answer_that_is_lost_and_found, needs_faults=True),
    Story("A worker killed in mid-charge", a_worker_killed_in_the_middle_of_a_charge, needs_faults=True),
)
