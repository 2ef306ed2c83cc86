"""Supported currencies and their smallest and largest amounts, in minor units."""

from payment_worker.simulator.api.errors import invalid_request

LARGEST_AMOUNT = 99_999_999
_LARGEST = {"inr": 999_999_999, "cop": 9_999_999_999, "idr": 999_999_999_999}
_TWO_DECIMAL = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf "
    "chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf "
    "idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk "
    "mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd "
    "shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst xcd xcg yer zar zmw"
)
_ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DECIMAL = "bhd jod kwd omr tnd"
ZERO_DECIMAL = frozenset(_ZERO_DECIMAL.split())
THREE_DECIMAL = frozenset(_THREE_DECIMAL.split())
# They have no cents any more, and are still sent with two digits for them.
WHOLE_IN_HUNDREDTHS = frozenset(("isk", "ugx"))
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | frozenset(_TWO_DECIMAL.split())

# About half a US dollar; the currencies for which Stripe publishes its own minimum.
_SMALLEST = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1_500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17_500, "inr": 50, "jpy": 50, "krw": 500, "mxn": 1_000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1_000,
    "usd": 50, "kwd": 150, "bhd": 190, "omr": 190, "jod": 350, "tnd": 1_500,
}  # fmt: skip


def checked_currency(currency: str) -> str:
    """Lower case. Raises RequestError for what is no currency."""
    lower = currency.lower()
    if lower not in CURRENCIES:
        raise invalid_request(
            f"Invalid currency: {lower}. Stripe takes ISO 4217 codes of the currencies it supports.",
            param="currency",
        )
    return lower


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    """Raises RequestError when Stripe would not take so much or so little."""
    if amount < 1:
        raise invalid_request(
            "This value must be greater than or equal to 1.", param=param, code="parameter_invalid_integer"
        )
    largest = _LARGEST.get(currency, LARGEST_AMOUNT)
    if amount > largest:
        raise invalid_request(
            f"Amount must be no more than {format_amount(largest, currency)}",
            param=param,
            code="amount_too_large",
        )
    if amount < _SMALLEST.get(currency, 1):
        raise invalid_request(
            f"Amount must be at least {format_amount(_SMALLEST[currency], currency)}",
            param=param,
            code="amount_too_small",
        )
    check_digits(amount, currency, param=param)


def check_digits(amount: int, currency: str, *, param: str) -> None:
    """Raises RequestError when the last digits of an amount are none that its currency has."""
    if currency in THREE_DECIMAL and amount % 10:
        raise invalid_request(
            f"Invalid amount: the last digit of an amount in {currency} must be 0.", param=param
        )
    if currency in WHOLE_IN_HUNDREDTHS and amount % 100:
        raise invalid_request(
            f"Invalid amount: the last two digits of an amount in {currency} must be 00.", param=param
        )


def format_amount(amount: int, currency: str) -> str:
    """For error messages: `$10.00 usd` becomes `10.00 usd`, `500 jpy` stays whole."""
    if currency in ZERO_DECIMAL:
        return f"{amount} {currency}"
    digits = 3 if currency in THREE_DECIMAL else 2
    return f"{amount / 10**digits:.{digits}f} {currency}"
