"""Makes changes at Stripe that the worker did not request: dashboard refunds and captures, dispute decisions."""

from collections import Counter
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from payment_worker.devstack.chaos.faults.random_actions import RandomActions
from payment_worker.devstack.chaos.workload.generator import SECOND_ACCOUNT_ID
from payment_worker.devstack.servers.simulator import Simulator, SimulatorError

ONE_IN: Final = 15
"""One change for this many payments."""
_PAYMENT: Final = text(
    "SELECT stripe_payment_intent_id, amount, stripe_account FROM payment"
    " WHERE status = :status AND stripe_payment_intent_id IS NOT NULL ORDER BY random() LIMIT 1"
)
_DISPUTE: Final = text(
    "SELECT stripe_dispute_id, dispute.amount, stripe_account FROM dispute JOIN payment USING (payment_id)"
    " WHERE dispute.status = 'NEEDS_RESPONSE' ORDER BY random() LIMIT 1"
)
_STEP: Final = 10


class ExternalChanges(RandomActions):
    """Makes changes in a thread. `done` counts those that Stripe accepted."""

    def __init__(self, *, database: Engine, simulator: Simulator, seed: int, every_seconds: float) -> None:
        self._database, self._simulator = database, simulator
        super().__init__("external changes", seed=seed, every_seconds=every_seconds)
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """Make one change."""
        action = self._random.choice(("refund", "refund", "capture", "cancel", "decide"))
        # The database may be unreachable, and Stripe rejects changes that the object's status forbids.
        with suppress(SQLAlchemyError, SimulatorError, OSError):
            self.done[action] += self._change(action)

    def _change(self, action: str) -> bool:
        match action:
            case "refund":
                intent, amount, account = self._any(_PAYMENT, status="SUCCEEDED")
                part = max(amount // 5 // _STEP, 1) * _STEP
                return self._post(intent, f"payment_intents/{intent}/refund", account, amount=part)
            case "decide":
                dispute, _, account = self._any(_DISPUTE)
                decision = self._random.choice(("won", "lost"))
                return self._post(dispute, f"disputes/{dispute}/close", account, status=decision)
            case _:
                intent, _, account = self._any(_PAYMENT, status="AUTHORIZED")
                return self._post(intent, f"payment_intents/{intent}/{action}", account)

    def _any(self, query: TextClause, **parameters: str) -> tuple[str, int, str]:
        with self._database.connect() as connection:
            row = connection.execute(query, parameters).one_or_none()
        return ("", 0, "") if row is None else (str(row[0]), int(row[1]), str(row[2]))

    def _post(self, subject: str, path: str, account: str, **fields: object) -> bool:
        if subject:
            self._simulator.post(path, {**fields, **({"account": SECOND_ACCOUNT_ID} if account else {})})
        return bool(subject)
