"""Generates the workload of a chaos run from its seed: every request, its copies, and when each is sent."""

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
    "pm_card_createIssuerFraudRecord": 3,
    "pm_usBankAccount_success": 2,
    "pm_success_de": 2,
    "pm_failed_de": 1,
    "pm_disputed_de": 1,
}
"""Stripe's test payment methods, and how often each is used."""

_CURRENCIES: Final[Mapping[str, int]] = {"EUR": 60, "USD": 20, "JPY": 10, "KWD": 10}
_CURRENCY_OF: Final[Mapping[str, str]] = {
    "pm_usBankAccount_success": "USD",
    "pm_success_de": "EUR",
    "pm_failed_de": "EUR",
    "pm_disputed_de": "EUR",
}
"""Bank debits, whose currency is not chosen."""
_MOST: Final = 50_000
_LEAST: Final = 1_000
_NO_OP_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "payment_worker.capture": frozenset({"SUCCEEDED", "CANCELED"}),
    "payment_worker.cancel": frozenset({"SUCCEEDED", "CANCELED"}),
    "payment_worker.retry_charge": frozenset({"AUTHORIZED", "SUCCEEDED", "CANCELED"}),
}
"""Payment statuses in which such a request is a no-op and leaves no row of its own."""

_MANUAL_CAPTURE_SHARE: Final = 0.08
_CAPTURES: Final = (("capture",), ("capture",), ("part",), ("cancel",), ("part", "cancel"), ())
_SEVERAL_CAPTURES: Final = (("some", "capture"), ("some", "some", "capture"), ("some", "cancel"))
_SPLIT_SHARE: Final = 0.08
_LATER_SHARE: Final = 0.05
_PRESENT_SHARE: Final = 0.05
_DECLINED: Final = "Declined"
"""Part of the name of every test card that is declined."""
_STEP: Final = 10
"""Stripe accepts amounts of three-decimal currencies only in multiples of ten."""

SELLER: Final = "acct_seller"
"""The connected account that has a share of some payments."""

SECOND_ACCOUNT: Final = "eu"
"""The name of the second Stripe account."""

SECOND_KEY: Final = "sk_test_51EuropeanAccountKey"
SECOND_ACCOUNT_ID: Final = "acct_1EuropeanAccount"
"""The simulator reads it from the key, as it is in Stripe's own keys."""

_SECOND_SHARE: Final = 0.12

_ADOPTED_SHARE: Final = 0.06
_ADOPTED_CARDS: Final = {
    name: share
    for name, share in _CARDS.items()
    if name
    in {
        "pm_card_visa",
        "pm_card_bypassPending",
        "pm_card_pendingRefund",
        "pm_card_refundFail",
        "pm_card_createDispute",
        "pm_card_createIssuerFraudRecord",
    }
}
"""Customers pay with these in Checkout."""

ADOPTED_AS: Final = "cart"
"""In the metadata of a PaymentIntent that Checkout makes: the id of the payment that adopts it."""

_LONGEST_TAIL_SECONDS: Final = 30.0
"""Time after the last charge for its refunds, and for copies that arrive after the payment is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One request, and when each of its copies is sent, in seconds since the start."""

    task: str
    queue: str
    request_id: str
    """`payment_id` or `refund_id`; for requests without an id of their own, the message id that all copies share."""
    payment_id: str
    arguments: Mapping[str, Any]
    at: tuple[float, ...]
    not_before: float | None = None
    """When it is to be executed at the earliest, in seconds since the start."""
    checkout: Mapping[str, Any] | None = None
    """The PaymentIntent that Checkout makes before this request adopts it."""

    @property
    def amount(self) -> int:
        """What a charge takes, in minor units."""
        return int((self.checkout or self.arguments)["amount"])

    def is_no_op(self, status: str | None) -> bool:
        """Whether the request changes nothing in this payment status, and so may leave no row."""
        return status in _NO_OP_STATUSES.get(self.task, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """All requests of a run."""

    charges: tuple[PlannedRequest, ...]
    refunds: tuple[PlannedRequest, ...]
    changes: tuple[PlannedRequest, ...]
    """Captures, cancellations and retries."""

    @property
    def requests(self) -> tuple[PlannedRequest, ...]:
        """Every request."""
        return self.charges + self.refunds + self.changes


def generate(*, seed: int, payments: int, seconds: float) -> Workload:
    """A workload of so many payments with their refunds and changes, spread over so many seconds."""
    return _Generator(seed=seed, seconds=seconds).workload(payments)


class _Generator:
    """Draws requests from one seeded source of randomness."""

    def __init__(self, *, seed: int, seconds: float) -> None:
        self._random = random.Random(f"workload {seed}")  # noqa: S311 a run must be repeatable
        self._seconds = seconds
        self._tail = min(_LONGEST_TAIL_SECONDS, seconds / 2)

    def workload(self, payments: int) -> Workload:
        charges = [
            self._payment(self._random.uniform(0, self._seconds - self._tail)) for _ in range(payments)
        ]
        refunds = [refund for charge in charges for refund in self._refunds(charge)]
        changes = [change for charge in charges for change in self._changes(charge)]
        return Workload(charges=tuple(charges), refunds=tuple(refunds), changes=tuple(changes))

    def _payment(self, at: float) -> PlannedRequest:
        return self._adoption(at) if self._random.random() < _ADOPTED_SHARE else self._charge(at)

    def _adoption(self, at: float) -> PlannedRequest:
        rng = self._random
        payment_id = _uuid(rng)
        return PlannedRequest(
            task="payment_worker.adopt",
            queue="charges",
            request_id=payment_id,
            payment_id=payment_id,
            arguments={"payment_id": payment_id, "order_id": _uuid(rng), "customer_id": _customer(rng)},
            at=self._copies(at),
            checkout={
                "amount": rng.randrange(_LEAST, _MOST, _STEP),
                "currency": _chosen(rng, _CURRENCIES).lower(),
                "payment_method": _chosen(rng, _ADOPTED_CARDS),
                "metadata": {ADOPTED_AS: payment_id},
            },
        )

    def _charge(self, at: float) -> PlannedRequest:
        rng = self._random
        payment_id = _uuid(rng)
        method, currency = _chosen(rng, _CARDS), _chosen(rng, _CURRENCIES)
        arguments: dict[str, Any] = {
            "payment_id": payment_id,
            "order_id": _uuid(rng),
            "customer_id": _customer(rng),
            "amount": rng.randrange(_LEAST, _MOST, _STEP),
            "currency": _CURRENCY_OF.get(method, currency),
            "payment_method": method,
            **self._way(method),
        }
        return PlannedRequest(
            task="payment_worker.charge",
            queue="charges",
            request_id=payment_id,
            payment_id=payment_id,
            arguments=arguments,
            at=self._copies(at),
            not_before=self._a_little_after(at) if rng.random() < _LATER_SHARE else None,
        )

    def _way(self, method: str) -> Mapping[str, Any]:
        """What else a charge is made with: another account, captured later, split with a connected one, a customer."""
        rng = self._random
        if rng.random() < _SECOND_SHARE:
            return {"account": SECOND_ACCOUNT}
        if method in _CURRENCY_OF:
            return {}
        if rng.random() < _PRESENT_SHARE:
            asked = {"payment_method": "pm_card_threeDSecure2Required"} if rng.random() < 0.5 else {}  # noqa: PLR2004
            return {"customer_present": True, "return_url": "https://shop.example/done", **asked}
        if rng.random() < _MANUAL_CAPTURE_SHARE:
            return {"capture_method": "manual", "multicapture": rng.random() < 0.5}  # noqa: PLR2004
        if rng.random() < _SPLIT_SHARE:
            return {"application_fee_amount": _LEAST // 10, "transfer_data": {"destination": SELLER}}
        return {}

    def _refunds(self, charge: PlannedRequest) -> Iterator[PlannedRequest]:
        """No refund, a full one, partial ones that fit, or several that together exceed the amount and race."""
        rng, amount = self._random, charge.amount
        # Some at once, while the charge's outcome is still unknown; the racing ones all at the same time.
        at = self._a_little_after(charge.at[0])
        match rng.choices(("none", "whole", "parts", "race"), (45, 15, 20, 20))[0]:
            case "whole":
                yield self._refund(charge, None, at)
            case "parts":
                count = rng.randint(1, 4)
                for _ in range(count):
                    yield self._refund(charge, amount // count, self._a_little_after(at))
            case "race":
                for _ in range(rng.randint(2, 5)):
                    yield self._refund(charge, rng.randrange(amount // 3, amount + 1), at)
            case _:
                pass

    def _refund(self, charge: PlannedRequest, amount: int | None, at: float) -> PlannedRequest:
        refund_id = _uuid(self._random)
        arguments: dict[str, Any] = {"refund_id": refund_id, "payment_id": charge.payment_id}
        if amount is not None:
            arguments["amount"] = max(amount // _STEP, 1) * _STEP
        return PlannedRequest(
            task="payment_worker.refund",
            queue="refunds",
            request_id=refund_id,
            payment_id=charge.payment_id,
            arguments=arguments,
            at=self._copies(at),
        )

    def _changes(self, charge: PlannedRequest) -> Iterator[PlannedRequest]:
        """Captures and cancellations of manual-capture charges, sometimes racing, and retries of declined ones."""
        if charge.checkout:
            return
        rng, amount = self._random, charge.amount
        at = self._a_little_after(charge.at[0])
        if charge.arguments.get("capture_method") == "manual":
            part = max(amount // rng.randint(1, 3) // _STEP, 1) * _STEP
            several = charge.arguments["multicapture"]
            for action in rng.choice(_SEVERAL_CAPTURES if several else _CAPTURES):
                match action:
                    case "part":
                        yield self._change("capture", charge, at, amount=part)
                    case "some":
                        some = max(part // 4 // _STEP, 1) * _STEP
                        yield self._change("capture", charge, at, amount=some, final=False)
                    case _:
                        yield self._change(action, charge, at)
        if _DECLINED in charge.arguments["payment_method"]:
            for _ in range(rng.randint(0, 2)):
                card = rng.choice(("pm_card_visa", charge.arguments["payment_method"]))
                yield self._change("retry_charge", charge, at, payment_method=card)

    def _change(self, task: str, charge: PlannedRequest, at: float, **arguments: object) -> PlannedRequest:
        return PlannedRequest(
            task=f"payment_worker.{task}",
            queue="charges",
            request_id=_uuid(self._random),
            payment_id=charge.payment_id,
            arguments={"payment_id": charge.payment_id, **arguments},
            at=self._copies(at),
        )

    def _copies(self, at: float) -> tuple[float, ...]:
        """When each of one to three copies is sent: at once, or when the payment may be final already."""
        return (at, *(self._a_little_after(at) for _ in range(self._random.randint(0, 2))))

    def _a_little_after(self, at: float) -> float:
        later = at + self._random.choice((0.0, self._random.uniform(0, self._tail / 2)))
        return min(later, self._seconds)


def _chosen(rng: random.Random, weights: Mapping[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _uuid(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _customer(rng: random.Random) -> str:
    return f"customer {rng.randrange(50)}"
