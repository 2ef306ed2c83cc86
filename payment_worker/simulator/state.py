"""All state of the simulator: accounts with their objects, the clock, settings, and a request's context."""

import random
import secrets
from collections import defaultdict
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
from payment_worker.simulator.resources.payers.test_methods import Behaviour
from payment_worker.simulator.webhooks.dispatcher import WebhookDispatcher

Json = dict[str, Any]
"""A Stripe object. What lies inside it is replaced, never changed in place: snapshots share it."""

PLATFORM = "acct_simulator"


@dataclass(slots=True)
class Account:
    """All objects of one Stripe account in one mode by id, in order of creation."""

    id: str
    livemode: bool = False
    platform: str = PLATFORM
    """The account whose key calls were made with last; its own id where it is no connected account."""
    payment_intents: dict[str, Json] = field(default_factory=dict)
    charges: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    early_fraud_warnings: dict[str, Json] = field(default_factory=dict)
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
    payouts: dict[str, Json] = field(default_factory=dict)
    setup_intents: dict[str, Json] = field(default_factory=dict)
    confirmation_tokens: dict[str, Json] = field(default_factory=dict)
    token_methods: dict[str, str] = field(default_factory=dict)
    """The payment method of each ConfirmationToken."""
    transfers: dict[str, Json] = field(default_factory=dict)
    application_fees: dict[str, Json] = field(default_factory=dict)
    exchange: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The currency in which another one settles, and the rate, for those that do not settle in their own."""
    pending: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """The balance that is not available yet, in minor units by currency."""
    available: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    unpaid: dict[str, list[str]] = field(default_factory=dict)
    """Available balance transactions that no automatic payout holds yet, by currency."""
    payout_members: dict[str, list[str]] = field(default_factory=dict)
    """The balance transactions of each automatic payout."""
    is_payout_scheduled: bool = False
    keys: KeyStore = field(default_factory=KeyStore)
    rate: RateLimit = field(default_factory=RateLimit)


class State:
    """Everything one simulator knows."""

    def __init__(self, *, seed: int | None = None, start: Settings | None = None) -> None:
        self.seed = secrets.randbits(64) if seed is None else seed
        self.start = start or Settings()
        self.ids = Identifiers(random.Random(self.seed))  # noqa: S311 - ids, not secrets
        self.clock = Clock()
        self.pay_out: Callable[[Context], None] = lambda _context: None
        """What an automatic payout does; the application sets it, for payouts book transactions themselves."""
        self.webhooks = WebhookDispatcher()
        self.reset()

    def reset(self) -> None:
        """Start again: no objects, keys, faults or scheduled work; random numbers as at first; ids go on counting."""
        self.rng = random.Random(self.seed)  # noqa: S311 - seeded on purpose: runs can be repeated
        self.settings = Settings(**self.start.to_dict())
        self.accounts: dict[tuple[str, bool], Account] = {}
        self.platforms = {PLATFORM}
        self.disconnected: set[str] = set()
        self.faults = Faults(self.rng)
        self.journal = Journal()
        self.clock.clear()
        self.webhooks.reset(clock=self.clock, settings=self.settings, rng=self.rng)
        self.event_count = 0

    def stripe_time(self) -> float:
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
class Context:
    """Something that happens in an account, by a request or by itself, and whether it changed anything."""

    state: State
    account: Account
    request_id: str | None = None
    idempotency_key: str | None = None
    changed: bool = False
    object_id: str | None = None

    @property
    def now(self) -> int:
        """Whole Unix seconds, as Stripe writes instants."""
        return int(self.state.stripe_time())

    def new_id(self, prefix: str) -> str:
        """A fresh id."""
        return self.state.ids.new(prefix)

    def schedule(self, seconds: float, happen: Callable[["Context"], None]) -> None:
        """Let something happen in this account in so many seconds, by itself: nobody's request."""
        state, account = self.state, self.account
        state.clock.schedule(seconds, lambda: happen(Context(state, account)))


def change(record: Json, **new: object) -> Json:
    """Set fields of an object; the former values of those that differ, as `previous_attributes` has them."""
    previous = {name: record[name] for name, value in new.items() if record[name] != value}
    record.update(new)
    return previous
