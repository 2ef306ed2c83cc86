"""Blocks all calls with an API key that belongs to another Stripe account or mode than our payments.

Another account shows none of our objects, which looks like absence, and would execute our requests a second time.
"""

import threading
from typing import Final

from payment_worker.domain.attempts.outcome import WRONG_KEY, Delay
from payment_worker.gateway.account.key_owner import AskOwner
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import Database
from payment_worker.store.stripe_identity import Identity
from payment_worker.telemetry import logger
from payment_worker.telemetry.stopwatch import elapsed_seconds

log = logger(__name__)

AGAIN_SECONDS: Final = 10.0
"""How long a failed check is kept: the key's permissions, or the stored account, may be corrected."""


class KeyCheck:
    """Whether an account's key is its own, checked before its first call and then cached. Thread-safe."""

    def __init__(self, database: Database, *, account: str, livemode: bool) -> None:
        self._database = database
        self._account = account
        self._livemode = livemode
        self._lock = threading.Lock()
        self._is_ours = False
        self._held: tuple[Delay, float] | None = None

    def __call__(self, ask: AskOwner) -> Delay | None:
        """Why nothing may be sent to Stripe with this key; None if everything may.

        Raises:
            DatabaseUnavailableError: it cannot be known, so nothing is sent.
        """
        if self._is_ours:
            return None
        with self._lock:
            if self._is_ours:
                return None
            if self._held and elapsed_seconds() < self._held[1]:
                return self._held[0]
            delay = self._check_owner(ask)
            self._is_ours = delay is None
            self._held = (delay, elapsed_seconds() + AGAIN_SECONDS) if delay in WRONG_KEY else None
            return delay

    def _check_owner(self, ask: AskOwner) -> Delay | None:
        owner = ask()
        if isinstance(owner, Delay):
            if owner is Delay.ACCOUNT_UNKNOWN:
                log.error(
                    "the stripe key may not read its own account: nothing is sent", account=self._account
                )
            return owner
        identity = Identity(owner, self._livemode)
        with self._database.begin() as connection:
            recorded = stripe_identity.record_first(connection, self._account, identity)
        if identity == recorded:
            return None
        log.error(
            "the stripe key belongs to another account or mode: nothing is sent",
            account=self._account,
            stripe_account_id=identity.stripe_account_id,
            livemode=identity.livemode,
            our_stripe_account_id=recorded and recorded.stripe_account_id,
            our_livemode=recorded and recorded.livemode,
        )
        return Delay.ANOTHER_ACCOUNT
