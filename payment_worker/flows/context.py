"""Context: database, Stripe client, clock, random source and settings, passed to every flow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payment_worker.domain.retry_policy import RetryPolicy
from payment_worker.flows.metadata_secrets import MetadataSecrets
from payment_worker.flows.pauses import Pauses
from payment_worker.gateway.client import Gateway
from payment_worker.store.connection.database import Database
from payment_worker.store.records.history import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The times and limits of flows; each is the setting of the same name."""

    lease: timedelta
    key_safe_age: timedelta
    absence_delay: timedelta
    max_attempts: int
    retries: RetryPolicy
    action_expiry: timedelta
    """How long a payment waits for its customer before it is canceled."""
    fraud_refund_within: timedelta
    """How long after an early fraud warning its payment is refunded; zero for never."""
    livemode: bool
    """Whether the key is a live one; events of the other mode are not ours."""
    republish_window: timedelta
    """How far back messages are republished if Redis has lost the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything outside that a flow touches."""

    database: Database
    stripe: Gateway
    clock: Callable[[], datetime]
    """What time it is by PostgreSQL's clock."""
    machine_skew: Callable[[], timedelta] = timedelta
    """How far the clock of this machine is ahead of PostgreSQL's."""
    jitter: Callable[[], float]
    policy: Policy
    pauses: Pauses
    actor: str
    """Who acts, for the history: the task or the command, and where it runs."""
    notify_relay: Callable[[], None]
    """Tells the publisher that the outbox has something new: a hint, which may be lost."""
    notify_import: Callable[[str], None] = lambda _: None
    """Has the balance of a Stripe account imported: a hint, since beat does so every few minutes."""
    metadata_secrets: MetadataSecrets = field(default_factory=MetadataSecrets)
    """What signs the metadata of our objects at Stripe; the database's own where none is set."""

    def cause(self, cause: str, **detail: object) -> Cause:
        """The cause of a change that this actor makes."""
        return Cause(cause=cause, actor=self.actor, detail=detail)
