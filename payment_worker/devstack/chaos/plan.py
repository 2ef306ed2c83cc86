"""What is asked for in a run: every charge and refund with its times, out of the seed and nothing else."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

_CARDS: Final[Mapping[str, int]] = {
    "pm_card_visa": 40,
    "pm_card_mastercard": 12,
    "pm_card_bypassPending": 6,
    "pm_card_pendingRefund": 8,
    "pm_card_refundFail": 6,
    "pm_card_visa_chargeDeclined": 5,
    "pm_card_visa_chargeDeclinedInsufficientFunds": 5,
    "pm_card_chargeDeclinedExpiredCard": 3,
    "pm_card_chargeDeclinedProcessingError": 3,
    "pm_card_authenticationRequired": 3,
    "pm_card_processing": 4,
    "pm_card_processingFail": 2,
    "pm_card_createDispute": 3,
}
"""Stripe's test payment methods, and how often each is used."""

_CURRENCIES: Final[Mapping[str, int]] = {"EUR": 60, "USD": 20, "JPY": 10, "KWD": 10}
_MOST: Final = 50_000
_LEAST: Final = 1_000
_MOOT: Final[Mapping[str, frozenset[str]]] = {
    "payment_worker.capture": frozenset({"SUCCEEDED", "CANCELED"}),
    "payment_worker.cancel": frozenset({"SUCCEEDED", "CANCELED"}),
    "payment_worker.retry_charge": frozenset({"AUTHORIZED", "SUCCEEDED", "CANCELED"}),
}
"""States of a payment in which such a request has nothing left to do, and leaves no row of its own."""

_ONLY_AUTHORISED: Final = 0.08
_DECLINED: Final = "Declined"
"""In the name of a card that is."""
_STEP: Final = 10
"""Three-decimal currencies are charged and refunded in tens."""

_LONGEST_TAIL_SECONDS: Final = 30.0
"""Between the last charge and the end: for its refunds, and for copies that come when all is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, and when each of its copies is sent, in seconds since the start."""

    task: str
    queue: str
    identity: str
    """`payment_id` or `refund_id`; for what has no id of its own, the message's, which its copies share."""
    payment_id: str
    arguments: Mapping[str, Any]
    at: tuple[float, ...]

    def is_moot(self, status: str | None) -> bool:
        """Whether this changes nothing of a payment in this state, and so may leave no row."""
        return status in _MOOT.get(self.task, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All requests of a run."""

    charges: tuple[Ask, ...]
    refunds: tuple[Ask, ...]
    changes: tuple[Ask, ...]
    """To capture, to cancel, to try again."""

    @property
    def asks(self) -> tuple[Ask, ...]:
        """Every request."""
        return self.charges + self.refunds + self.changes


def plan(*, seed: int, payments: int, seconds: float) -> Plan:
    """So many payments and their refunds, asked for within so many seconds."""
    return _Planner(seed=seed, seconds=seconds).plan(payments)


class _Planner:
    """The dice, and the time there is."""

    def __init__(self, *, seed: int, seconds: float) -> None:
        self._dice = random.Random(f"plan {seed}")  # noqa: S311 a run must be repeatable
        self._seconds = seconds
        self._tail = min(_LONGEST_TAIL_SECONDS, seconds / 2)

    def plan(self, payments: int) -> Plan:
        charges = [self._charge(self._dice.uniform(0, self._seconds - self._tail)) for _ in range(payments)]
        refunds = [refund for charge in charges for refund in self._refunds(charge)]
        changes = [change for charge in charges for change in self._changes(charge)]
        return Plan(charges=tuple(charges), refunds=tuple(refunds), changes=tuple(changes))

    def _charge(self, at: float) -> Ask:
        dice = self._dice
        payment_id = _uuid(dice)
        arguments: dict[str, Any] = {
            "payment_id": payment_id,
            "order_id": _uuid(dice),
            "amount": dice.randrange(_LEAST, _MOST, _STEP),
            "currency": _chosen(dice, _CURRENCIES),
            "payment_method": _chosen(dice, _CARDS),
        }
        if dice.random() < _ONLY_AUTHORISED:
            arguments["capture_method"] = "manual"
        return Ask(
            task="payment_worker.charge",
            queue="charges",
            identity=payment_id,
            payment_id=payment_id,
            arguments=arguments,
            at=self._copies(at),
        )

    def _refunds(self, charge: Ask) -> Iterator[Ask]:
        """None, one of all, a few parts that fit, or a few that cannot all fit and race."""
        dice, amount = self._dice, int(charge.arguments["amount"])
        # Some at once, while the charge is still unknown; the racing ones all at the same time.
        at = self._a_little_after(charge.at[0])
        match dice.choices(("none", "whole", "parts", "race"), (45, 15, 20, 20))[0]:
            case "whole":
                yield self._refund(charge, None, at)
            case "parts":
                count = dice.randint(1, 4)
                for _ in range(count):
                    yield self._refund(charge, amount // count, self._a_little_after(at))
            case "race":
                for _ in range(dice.randint(2, 5)):
                    yield self._refund(charge, dice.randrange(amount // 3, amount + 1), at)
            case _:
                pass

    def _refund(self, charge: Ask, amount: int | None, at: float) -> Ask:
        refund_id = _uuid(self._dice)
        arguments: dict[str, Any] = {"refund_id": refund_id, "payment_id": charge.payment_id}
        if amount is not None:
            arguments["amount"] = max(amount // _STEP, 1) * _STEP
        return Ask(
            task="payment_worker.refund",
            queue="refunds",
            identity=refund_id,
            payment_id=charge.payment_id,
            arguments=arguments,
            at=self._copies(at),
        )

    def _changes(self, charge: Ask) -> Iterator[Ask]:
        """What was only authorised is captured, in part or whole, or canceled, or both at once; some try again."""
        dice, amount = self._dice, int(charge.arguments["amount"])
        at = self._a_little_after(charge.at[0])
        if charge.arguments.get("capture_method") == "manual":
            part = max(amount // dice.randint(1, 3) // _STEP, 1) * _STEP
            wishes = dice.choice((("capture",), ("capture",), ("part",), ("cancel",), ("part", "cancel"), ()))
            for wish in wishes:
                match wish:
                    case "part":
                        yield self._change("capture", charge, at, amount=part)
                    case _:
                        yield self._change(wish, charge, at)
        if _DECLINED in charge.arguments["payment_method"]:
            for _ in range(dice.randint(0, 2)):
                card = dice.choice(("pm_card_visa", charge.arguments["payment_method"]))
                yield self._change("retry_charge", charge, at, payment_method=card)

    def _change(self, task: str, charge: Ask, at: float, **arguments: object) -> Ask:
        return Ask(
            task=f"payment_worker.{task}",
            queue="charges",
            identity=_uuid(self._dice),
            payment_id=charge.payment_id,
            arguments={"payment_id": charge.payment_id, **arguments},
            at=self._copies(at),
        )

    def _copies(self, at: float) -> tuple[float, ...]:
        """One to three times: copies come at once, or when everything may be over already."""
        return (at, *(self._a_little_after(at) for _ in range(self._dice.randint(0, 2))))

    def _a_little_after(self, at: float) -> float:
        later = at + self._dice.choice((0.0, self._dice.uniform(0, self._tail / 2)))
        return min(later, self._seconds)


def _chosen(dice: random.Random, weights: Mapping[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def _uuid(dice: random.Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))
