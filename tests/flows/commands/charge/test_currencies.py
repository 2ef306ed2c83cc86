"""In every currency the minor units that were asked for are taken and given back, to the last one."""

from uuid import UUID

from payment_worker.contracts.requests import ChargeRequest, InvalidRequest, parse
from payment_worker.domain.money import CURRENCIES, Currency
from tests.flows.scene import Scene
from tests.harness.length import LONG
from tests.harness.rows import Rows

ORDINARY = 100_000
"""Above every minimum, and a multiple of every step."""

KINDS = {
    (currency.exponent, currency.step, currency.maximum, currency.minimum is None): currency
    for currency in CURRENCIES.values()
}
PAID_IN = CURRENCIES.values() if LONG else KINDS.values()
"""The long run pays in all of them, the other in one of each kind."""


def _largest(currency: Currency) -> int:
    return currency.maximum - currency.maximum % currency.step


def test_a_charge_and_a_refund_in_every_currency(scene: Scene, rows: Rows) -> None:
    assert len(CURRENCIES) > 130
    paid: dict[str, list[tuple[UUID, int, int]]] = {}
    for currency in PAID_IN:
        code = currency.code
        for amount, part in ((ORDINARY, currency.step), (_largest(currency), _largest(currency))):
            payment_id = scene.charge(amount=amount, currency=code)
            refund = scene.refund(payment_id, amount=part)
            assert refund.status == "PROCESSED", (code, amount, refund.reason)
            paid.setdefault(code, []).append((payment_id, amount, part))
    wrong = [code for code, payments in paid.items() if not _agree(scene, rows, code, payments)]
    assert wrong == []


def _agree(scene: Scene, rows: Rows, code: str, payments: list[tuple[UUID, int, int]]) -> bool:
    """Whether our rows and what Stripe really did say what was asked for."""
    wanted = [(amount, amount, part, code) for _, amount, part in payments]
    columns = "amount, amount_captured, amount_refunded, currency"
    query = f"SELECT {columns} FROM payment WHERE payment_id = %s"  # noqa: S608 - our own columns
    ours = [tuple(rows.one(query, str(payment_id)).values()) for payment_id, *_ in payments]
    ledgers = [
        scene.simulator.ledger(**{"metadata[payment_id]": payment_id})["payment_intents"]
        for payment_id, *_ in payments
    ]
    theirs = [
        (each["amount"], each["captured"], each["refunded"], each["currency"].upper())
        for ledger in ledgers
        for each in ledger
    ]
    return ours == theirs == wanted


def test_less_than_the_least_is_refused_by_name_before_stripe_is_asked(scene: Scene) -> None:
    with_minimum = [currency for currency in CURRENCIES.values() if currency.minimum]
    assert with_minimum
    for currency in with_minimum:
        assert currency.minimum
        faults = _faults(amount=currency.minimum - currency.step, currency=currency.code)
        assert faults == [("amount", "below_minimum")], currency.code
    assert scene.simulator.journal() == []


def _faults(**arguments: object) -> list[tuple[str, str]]:
    ids = {"payment_id": str(UUID(int=1)), "order_id": str(UUID(int=2))}
    try:
        parse(ChargeRequest, {**ids, "payment_method": "pm_card_visa", **arguments})
    except InvalidRequest as invalid:
        return [(error.field, error.code) for error in invalid.errors]
    return []


def test_where_only_stripe_knows_the_least_its_refusal_is_the_reason(scene: Scene, rows: Rows) -> None:
    too_small = scene.charge(amount=180, currency="BHD")
    payment = rows.one("SELECT * FROM payment WHERE payment_id = %s", str(too_small))
    assert (payment["status"], payment["decline_code"]) == ("FAILED", "amount_too_small")


def test_a_part_in_a_currency_with_steps_keeps_to_them(scene: Scene) -> None:
    held = scene.charge(amount=10_000, currency="KWD", capture_method="manual")
    assert scene.capture(held, amount=5_005).reason == "amount_not_a_step"
    assert scene.capture(held, amount=5_010).status == "SUCCEEDED"
