"""The state of everything: accounts with their objects, the clock, the dice, and acts that change them."""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from payment_worker.simulator.api.idempotency import KeyStore
from payment_worker.simulator.api.rate_limit import RateLimit
from payment_worker.simulator.clock import Clock
from payment_worker.simulator.control.faults import Faults
from payment_worker.simulator.control.journal import Journal
from payment_worker.simulator.control.settings import Settings
from payment_worker.simulator.resources.identifiers import Identifiers
from payment_worker.simulator.resources.payment_methods import Behaviour
from payment_worker.simulator.webhooks.webhooks import Webhooks

Json = dict[str, Any]
"""A Stripe object. What lies inside it is replaced, never changed in place: snapshots share it."""

PLATFORM = "acct_simulator"


@dataclass(slots=True)
class Account:
    """All objects of one Stripe account in one mode by id, in order of creation."""

    id: str
    livemode: bool = False
    payment_intents: dict[str, Json] = field(default_factory=dict)
    charges: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    balance_transactions: dict[str, Json] = field(default_factory=dict)
    customers: dict[str, Json] = field(default_factory=dict)
    payment_methods: dict[str, Json] = field(default_factory=dict)
    events: dict[str, Json] = field(default_factory=dict)
    older_events: dict[str, Json] = field(default_factory=dict)
    """Events that only endpoints of older API versions are sent."""
    late_events: dict[str, float] = field(default_factory=dict)
    """When an event becomes visible in the list, for those that do so late."""
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    """How each payment method of this account behaves."""
    charges_of: dict[str, list[str]] = field(default_factory=dict)
    """Charge ids by PaymentIntent, oldest first."""
    refunds_of: dict[str, list[str]] = field(default_factory=dict)
    """Refund ids by charge, oldest first."""
    balance: dict[str, int] = field(default_factory=dict)
    keys: KeyStore = field(default_factory=KeyStore)
    rate: RateLimit = field(default_factory=RateLimit)


class World:
    """Everything one simulator knows."""

    def __init__(self, *, seed: int | None = None, start: Settings | None = None) -> None:
        self.seed = secrets.randbits(64) if seed is None else seed
        self.start = start or Settings()
        self.ids = Identifiers(random.Random(self.seed))  # noqa: S311 - ids, not secrets
        self.clock = Clock()
        self.webhooks = Webhooks()
        self.forget()

    def forget(self) -> None:
        """Start again: no objects, keys, faults or scheduled work; dice as at first; ids go on counting."""
        self.dice = random.Random(self.seed)  # noqa: S311 - seeded on purpose: runs can be repeated
        self.settings = Settings(**self.start.shown())
        self.accounts: dict[tuple[str, bool], Account] = {}
        self.platforms = {PLATFORM}
        self.disconnected: set[str] = set()
        self.faults = Faults(self.dice)
        self.journal = Journal()
        self.clock.clear()
        self.webhooks.forget(clock=self.clock, settings=self.settings, dice=self.dice)
        self.event_count = 0

    def told_now(self) -> float:
        """Unix seconds as Stripe tells them: its clock, and how far that is set wrong."""
        return self.clock.now() + self.settings.clock_skew_seconds

    def account(self, account_id: str | None = None, *, livemode: bool = False) -> Account:
        """The account of that id in one mode, made on first use; without an id the default platform's."""
        name = (account_id or PLATFORM, livemode)
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account(*name)
        return found


@dataclass(slots=True)
class Act:
    """Something that happens in an account, by a request or by itself, and whether it changed anything."""

    world: World
    account: Account
    request_id: str | None = None
    idempotency_key: str | None = None
    changed: bool = False
    touched: str | None = None

    @property
    def now(self) -> int:
        """Whole Unix seconds, as Stripe writes instants."""
        return int(self.world.told_now())

    def new_id(self, prefix: str) -> str:
        """A fresh id."""
        return self.world.ids.new(prefix)

    def later(self, seconds: float, happen: Callable[["Act"], None]) -> None:
        """Let something happen in this account in so many seconds, by itself: nobody's request."""
        world, account = self.world, self.account
        world.clock.later(seconds, lambda: happen(Act(world, account)))


def change(record: Json, **new: object) -> Json:
    """Set fields of an object; the former values of those that differ, as `previous_attributes` has them."""
    previous = {name: record[name] for name, value in new.items() if record[name] != value}
    record.update(new)
    return previous
