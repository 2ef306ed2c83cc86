"""Every amount that Stripe would refuse for its number is refused before Stripe is asked, in any currency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.domain.money import CURRENCIES, Currency, amount_fault, decimal_string, part_fault

ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
THREE_DECIMAL = {"BHD", "JOD", "KWD", "OMR", "TND"}

currencies = st.sampled_from(sorted(CURRENCIES.values(), key=lambda currency: currency.code))


def code_of(amount: int, currency: str) -> str | None:
    fault = amount_fault(amount, CURRENCIES[currency])
    return fault.code if fault else None


def test_there_are_the_more_than_135_currencies_that_stripe_speaks_of() -> None:
    assert len(CURRENCIES) >= 135
    assert {"USD", "EUR", "GBP", "JPY", "CHF", "KWD", "ISK", "UGX", "HUF", "TWD", "MXN"} <= CURRENCIES.keys()


def test_a_currency_is_found_by_its_own_code() -> None:
    assert all(
        code == currency.code and len(code) == 3 and code.isupper() for code, currency in CURRENCIES.items()
    )


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_the_exponent_is_stripes_and_not_isos(code: str) -> None:
    expected = 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2

    assert CURRENCIES[code].exponent == expected


@pytest.mark.parametrize(
    ("amount", "currency", "fault"),
    [
        (50, "USD", None),
        (49, "USD", "below_minimum"),
        (30, "GBP", None),
        (29, "GBP", "below_minimum"),
        (50, "JPY", None),
        (49, "JPY", "below_minimum"),
        (17_500, "HUF", None),
        (17_499, "HUF", "below_minimum"),
        (17_501, "HUF", None),
        (999, "MXN", "below_minimum"),
        (80_045, "TWD", None),
        (0, "USD", "not_positive"),
        (-1, "KWD", "not_positive"),
        (99_999_999, "USD", None),
        (100_000_000, "USD", "above_maximum"),
        (999_999_999_999, "IDR", None),
        (1_000_000_000_000, "IDR", "above_maximum"),
        (9_999_999_999, "COP", None),
        (5_120, "KWD", None),
        (5_124, "KWD", "not_a_step"),
        (500, "ISK", None),
        (550, "ISK", "not_a_step"),
        (100, "UGX", None),
        (5, "UGX", "not_a_step"),
        (1, "KZT", None),
    ],
)
def test_an_amount_is_judged_by_its_currency(amount: int, currency: str, fault: str | None) -> None:
    assert code_of(amount, currency) == fault


@given(currencies, st.integers(min_value=-10, max_value=10**13))
def test_what_has_no_fault_is_positive_in_steps_and_within_the_limits(
    currency: Currency, amount: int
) -> None:
    fault = amount_fault(amount, currency)

    good = (currency.minimum or 1) <= amount <= currency.maximum and amount % currency.step == 0
    assert (fault is None) == good


@given(currencies, st.integers(min_value=-10, max_value=10**13))
def test_a_part_may_be_smaller_than_any_charge_but_follows_every_other_rule(
    currency: Currency, amount: int
) -> None:
    whole = amount_fault(amount, currency)

    assert part_fault(amount, currency) == (None if whole and whole.code == "below_minimum" else whole)


def test_the_message_is_a_predicate_that_people_understand() -> None:
    fault = amount_fault(49, CURRENCIES["USD"])

    assert fault is not None
    assert fault.message == "must be at least 50 (0.50 USD), Stripe's minimum"


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (1234, "EUR", "12.34 EUR"),
        (500, "JPY", "500 JPY"),
        (5, "USD", "0.05 USD"),
        (-5, "USD", "-0.05 USD"),
        (5120, "KWD", "5.120 KWD"),
        (500, "ISK", "5.00 ISK"),
        (0, "EUR", "0.00 EUR"),
        (99_999_999, "USD", "999999.99 USD"),
    ],
)
def test_people_read_amounts_in_major_units(amount: int, currency: str, written: str) -> None:
    assert decimal_string(amount, CURRENCIES[currency]) == written


@given(currencies, st.integers(min_value=-(10**12), max_value=10**12))
def test_no_digit_is_lost_when_an_amount_is_written(currency: Currency, amount: int) -> None:
    number, code = decimal_string(amount, currency).split(" ")

    assert code == currency.code
    assert int(number.replace(".", "")) == amount
