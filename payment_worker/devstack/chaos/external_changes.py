"""Makes changes at Stripe that the worker did not request: dashboard refunds and captures, dispute decisions."""

from collections import Counter
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from payment_worker.devstack.chaos.random_actions import RandomActions
from payment_worker.devstack.servers.simulator import Simulator, SimulatorError

ONE_IN: Final = 15
"""One change for this many payments."""
_PAYMENT: Final = text(
    "SELECT stripe_payment_intent_id, amount FROM payment"
    " WHERE status = :status AND stripe_payment_intent_id IS NOT NULL ORDER BY random() LIMIT 1"
)
_DISPUTE: Final = text(
    "SELECT stripe_dispute_id, amount FROM dispute WHERE status = 'NEEDS_RESPONSE' ORDER BY random() LIMIT 1"
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
                intent, amount = self._any(_PAYMENT, status="SUCCEEDED")
                part = max(amount // 5 // _STEP, 1) * _STEP
                return self._post(intent, f"payment_intents/{intent}/refund", amount=part)
            case "decide":
                dispute, _ = self._any(_DISPUTE)
                return self._post(
                    dispute, f"disputes/{dispute}/close", status=self._random.choice(("won", "lost"))
                )
            case _:
                intent, _ = self._any(_PAYMENT, status="AUTHORIZED")
                return self._post(intent, f"payment_intents/{intent}/{action}")

    def _any(self, query: TextClause, **parameters: str) -> tuple[str, int]:
        with self._database.connect() as connection:
            row = connection.execute(query, parameters).one_or_none()
        return ("", 0) if row is None else (str(row[0]), int(row[1]))

    def _post(self, subject: str, path: str, **fields: object) -> bool:
        if subject:
            self._simulator.post(path, fields)
        return bool(subject)
