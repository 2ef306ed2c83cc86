"""Amounts in minor units with a currency, and the amounts that Stripe accepts for each currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

AmountFaultCode = Literal["not_positive", "below_minimum", "above_maximum", "not_a_step"]

# "Up to eight digits" is what Stripe promises for every currency and kind of card; the three below get more.
_EIGHT_DIGITS = 99_999_999
_MAXIMA: Mapping[str, int] = {"INR": 999_999_999, "COP": 9_999_999_999, "IDR": 999_999_999_999}

_TWO_DECIMAL = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF
    CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR
    ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR
    MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE
    SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD XCG YER ZAR ZMW
"""
_ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
# Sent in thousandths, but Stripe's partners settle hundredths: the last digit must be 0.
_THREE_DECIMAL = "BHD JOD KWD OMR TND"
# They lost their cents after Stripe had begun to take them: still sent as hundredths, which must be 00.
_WHOLE_IN_HUNDREDTHS = "ISK UGX"

_MINIMA: Mapping[str, int] = {
    "AED": 200, "ARS": 50, "AUD": 50, "BRL": 50, "CAD": 50, "CHF": 50, "COP": 50, "CZK": 1_500, "DKK": 250,
    "EUR": 50, "GBP": 30, "HKD": 400, "HUF": 17_500, "IDR": 50, "ILS": 50, "INR": 50, "JPY": 50, "KRW": 50,
    "MXN": 1_000, "MYR": 200, "NOK": 300, "NZD": 50, "PHP": 50, "PLN": 200, "RON": 200, "RUB": 50, "SEK": 300,
    "SGD": 50, "THB": 1_000, "USD": 50, "ZAR": 50,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency in which Stripe charges cards.

    Attributes:
        code: ISO 4217, upper case.
        exponent: decimals of the amounts that Stripe is sent, which for ISK and UGX are not ISO's.
        minimum: least charge in minor units that Stripe documents. It is the settlement currency that counts
            at Stripe, so a charge above it may still be too small. None: Stripe converts and decides.
        maximum: greatest amount in minor units.
        step: amounts are multiples of it.
    """

    code: str
    exponent: int
    minimum: int | None
    maximum: int
    step: int


@dataclass(frozen=True, slots=True)
class AmountFault:
    """Why Stripe would not take an amount. The message is a predicate: it begins with "must"."""

    code: AmountFaultCode
    message: str


def _currencies() -> Mapping[str, Currency]:
    families = (
        (_TWO_DECIMAL, 2, 1),
        (_ZERO_DECIMAL, 0, 1),
        (_THREE_DECIMAL, 3, 10),
        (_WHOLE_IN_HUNDREDTHS, 2, 100),
    )
    return MappingProxyType(
        {
            code: Currency(code, exponent, _MINIMA.get(code), _MAXIMA.get(code, _EIGHT_DIGITS), step)
            for codes, exponent, step in families
            for code in codes.split()
        }
    )


CURRENCIES: Mapping[str, Currency] = _currencies()
"""By upper-case code. Source: Stripe's page on currencies (presentment, special cases, charge limits)."""


def amount_fault(amount: int, currency: Currency) -> AmountFault | None:
    """Why this amount of minor units cannot be charged, or None."""
    fault = part_fault(amount, currency)
    if fault is None and currency.minimum is not None and amount < currency.minimum:
        minimum = decimal_string(currency.minimum, currency)
        return AmountFault(
            "below_minimum", f"must be at least {currency.minimum} ({minimum}), Stripe's minimum"
        )
    return fault


def part_fault(amount: int, currency: Currency) -> AmountFault | None:
    """Why this amount of minor units cannot be captured or refunded of a charge, or None.

    A part has no minimum of its own.
    """
    if amount <= 0:
        return AmountFault("not_positive", "must be greater than 0")
    if amount > currency.maximum:
        return AmountFault("above_maximum", f"must be at most {currency.maximum}, Stripe's maximum")
    if amount % currency.step:
        return AmountFault(
            "not_a_step", f"must be a multiple of {currency.step}, as amounts in {currency.code} are"
        )
    return None


def decimal_string(amount: int, currency: Currency) -> str:
    """The amount as people write it: `12.34 EUR`, `500 JPY`, `-0.05 USD`."""
    if currency.exponent == 0:
        return f"{amount} {currency.code}"
    whole, fraction = divmod(abs(amount), 10**currency.exponent)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{fraction:0{currency.exponent}} {currency.code}"
