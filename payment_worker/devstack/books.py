"""Compares the amounts in our tables with Stripe's: the simulator's ledger, or a real account."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.request import Request, urlopen

from sqlalchemy import Engine, text

from payment_worker.devstack.servers.simulator import Simulator

_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Account:
    """The amounts of one payment, in minor units. `effects`: how often it was charged, None: unknown."""

    captured: int = 0
    refunded: int = 0
    effects: int | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One payment in both books."""

    payment_id: str
    currency: str
    status: str
    ours: Account
    theirs: Account

    @property
    def agrees(self) -> bool:
        """Whether both sides are equal, and nothing was charged twice."""
        same = (self.ours.captured, self.ours.refunded) == (self.theirs.captured, self.theirs.refunded)
        return same and self.theirs.effects in {None, 1 if self.ours.captured else 0}


class Ledger(Protocol):
    """Stripe's side."""

    def accounts(self, stripe_ids: Mapping[str, str | None]) -> dict[str, Account]:
        """What Stripe did, by payment id; given are the PaymentIntents' ids as far as we know them."""

    def foreign_payments(self, payment_ids: Iterable[str]) -> int:
        """How many PaymentIntents Stripe has that belong to none of the payments, as far as that is known."""


class SimulatorLedger:
    """The simulator's own account, which our code has no part in."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def accounts(self, stripe_ids: Mapping[str, str | None]) -> dict[str, Account]:
        """Found by the metadata, not by our record of Stripe's ids: what we do not know of is found, too."""
        found: dict[str, list[dict[str, Any]]] = {payment_id: [] for payment_id in stripe_ids}
        for intent in self._simulator.ledger()["payment_intents"]:
            for payment_id in found.keys() & set(intent["metadata"].values()):
                found[payment_id].append(intent)
        return {payment_id: _sum(intents) for payment_id, intents in found.items()}

    def foreign_payments(self, payment_ids: Iterable[str]) -> int:
        """How many PaymentIntents belong to none of the payments."""
        known = set(payment_ids)
        intents = self._simulator.ledger()["payment_intents"]
        return sum(known.isdisjoint(intent["metadata"].values()) for intent in intents)


def _sum(intents: Iterable[Mapping[str, Any]]) -> Account:
    captured, refunded, effects = 0, 0, 0
    for intent in intents:
        captured += intent["captured"]
        refunded += intent["refunded"]
        effects += intent["effects"]
    return Account(captured=captured, refunded=refunded, effects=effects)


class StripeLedger:
    """A given Stripe account, of which each known PaymentIntent is retrieved."""

    def __init__(self, api_base: str, api_key: str) -> None:
        self._api_base = api_base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def accounts(self, stripe_ids: Mapping[str, str | None]) -> dict[str, Account]:
        """One request each; a payment without a PaymentIntent has moved nothing."""
        return {
            payment_id: self._account(stripe_id) if stripe_id else Account()
            for payment_id, stripe_id in stripe_ids.items()
        }

    def foreign_payments(self, payment_ids: Iterable[str]) -> int:  # noqa: ARG002 the account may serve other apps
        """Unknown: other apps' PaymentIntents look the same."""
        return 0

    def _account(self, stripe_id: str) -> Account:
        url = f"{self._api_base}/v1/payment_intents/{stripe_id}?expand[]=latest_charge"
        with urlopen(Request(url, headers=self._headers), timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 Stripe's
            intent = json.load(answer)
        charge = intent["latest_charge"] or {}
        return Account(captured=intent["amount_received"], refunded=charge.get("amount_refunded", 0))


def compare(engine: Engine, ledger: Ledger, payment_ids: Iterable[str]) -> list[Entry]:
    """Both books for these payments, in their order."""
    ids = list(payment_ids)
    query = text(
        "SELECT payment_id::text, currency, status, amount_captured, amount_refunded,"
        " stripe_payment_intent_id FROM payment WHERE payment_id = ANY(CAST(:ids AS uuid[]))"
    )
    with engine.connect() as connection:
        rows = {row.payment_id: row for row in connection.execute(query, {"ids": ids})}
    theirs = ledger.accounts(
        {each: rows[each].stripe_payment_intent_id if each in rows else None for each in ids}
    )
    return [_entry(each, rows.get(each), theirs[each]) for each in ids]


def _entry(payment_id: str, row: Any, theirs: Account) -> Entry:  # noqa: ANN401 a row has no type of its own
    if row is None:
        return Entry(payment_id=payment_id, currency="", status="missing", ours=Account(), theirs=theirs)
    return Entry(
        payment_id=payment_id,
        currency=row.currency,
        status=row.status,
        ours=Account(captured=row.amount_captured, refunded=row.amount_refunded),
        theirs=theirs,
    )
