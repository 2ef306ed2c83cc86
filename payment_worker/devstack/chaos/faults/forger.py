"""Forges objects in the Stripe account: copies of our PaymentIntents and Refunds, metadata and MAC included."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import uuid4

from payment_worker.devstack.chaos.faults.random_actions import RandomActions
from payment_worker.devstack.servers.simulator import Simulator, SimulatorError

ONE_IN: Final = 6
"""One forgery for this many payments."""
_NEWEST: Final = 5
"""It copies what is new, whose attempt has perhaps no answer yet."""
_TIMEOUT_SECONDS: Final = 5.0
FORGED: Final = "forged"
"""In the metadata of all that it makes: so the checker tells it from ours, and nothing else does."""
_MAC: Final = "payment_worker_mac"


class Forger(RandomActions):
    """Forges objects in a thread, with keys of its own: what Stripe cannot tell from ours but by those keys."""

    def __init__(self, *, simulator: Simulator, api_key: str, seed: int, every_seconds: float) -> None:
        self._simulator, self._api_key = simulator, api_key
        super().__init__("forger", seed=seed, every_seconds=every_seconds)
        self.done: Counter[str] = Counter()
        self.cleared: set[str] = set()
        """The objects of ours whose MAC it took off."""

    def act(self) -> None:
        """Forge one object."""
        forge = self._random.choice(
            (self._copy, self._copy, self._cheap, self._without_mac, self._refund, self._clear)
        )
        # Stripe rejects what an object's status forbids, and its faults are for everybody: cut answers, too.
        with suppress(SimulatorError, OSError, ValueError, HTTPException):
            self.done[forge.__name__.strip("_").replace("_", " ")] += forge()

    def _copy(self) -> bool:
        return self._paid(self._any("payment_intents", "payment_id"))

    def _cheap(self) -> bool:
        return self._paid(self._any("payment_intents", "payment_id"), amount=1_000)

    def _without_mac(self) -> bool:
        ours = self._any("payment_intents", "payment_id")
        return self._paid(ours and {**ours, "metadata": {**ours["metadata"], _MAC: ""}})

    def _refund(self) -> bool:
        """A Refund with the metadata of one of ours: money that is given back, and not by that refund."""
        ours = self._any("refunds", "refund_id")
        if ours is None or not ours["metadata"].get(_MAC):
            return False
        fields = {"amount": ours["amount"], "metadata": {**ours["metadata"], FORGED: "yes"}}
        self._simulator.post(f"payment_intents/{ours['payment_intent']}/refund", fields)
        return True

    def _clear(self) -> bool:
        """Take the MAC off an object of ours."""
        path, name = self._random.choice((("payment_intents", "payment_id"), ("refunds", "refund_id")))
        ours = self._any(path, name)
        if ours is None:
            return False
        self.cleared.add(ours["id"])
        self._ask(f"{path}/{ours['id']}", {f"metadata[{_MAC}]": ""})
        return True

    def _paid(self, ours: Mapping[str, Any] | None, *, amount: int | None = None) -> bool:
        if ours is None:
            return False
        fields = {
            "amount": amount or ours["amount"],
            "currency": ours["currency"],
            "payment_method": "pm_card_visa",
            "off_session": "true",
            "confirm": "true",
            **{f"metadata[{name}]": value for name, value in {**ours["metadata"], FORGED: "yes"}.items()},
        }
        self._ask("payment_intents", fields)
        return True

    def _any(self, path: str, name: str) -> Mapping[str, Any] | None:
        newest = self._ask(f"{path}?limit={_NEWEST}")["data"]
        ours = [each for each in newest if name in each["metadata"] and FORGED not in each["metadata"]]
        return self._random.choice(ours) if ours else None

    def _ask(self, path: str, fields: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 JSON
        key = {} if fields is None else {"Idempotency-Key": f"stranger-{uuid4()}"}
        request = Request(  # noqa: S310 our own simulator
            f"{self._simulator.url}/v1/{path}",
            data=None if fields is None else urlencode(fields).encode(),
            headers={"Authorization": f"Bearer {self._api_key}", **key},
        )
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 as above
            return json.load(answer)


def forged(simulator: Simulator) -> set[str]:
    """The PaymentIntents and Refunds that it made, which no record of ours may have."""
    intents = simulator.ledger()["payment_intents"]
    refunds = (refund for intent in intents for refund in intent["refunds"])
    return {each["id"] for each in (*intents, *refunds) if FORGED in each["metadata"]}
