"""Reads single fields of Stripe's JSON as values that PostgreSQL can store."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

MOST: Final = 2**63 - 1
"""PostgreSQL's bigint."""

LONGEST_ID: Final = 255
"""Stripe's limit. An index of PostgreSQL holds no text of any length."""

CURRENCY: Final = re.compile("[A-Za-z]{3}")


def amount(value: object) -> int:
    """An amount in minor units.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not 0 <= value <= MOST:
        raise ValueError("no amount")
    return value


def amount_if_any(value: object) -> int | None:
    """An amount in minor units, where there is one.

    Raises:
        ValueError: it is something else.
    """
    return None if value is None else amount(value)


def signed_amount(value: object) -> int:
    """An amount in minor units that may be negative, as what leaves a balance is.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not -MOST <= value <= MOST:
        raise ValueError("no amount")
    return value


def currency(value: object) -> str:
    """A currency, in upper case.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise ValueError("no currency")
    return value.upper()


def text(value: object) -> str | None:
    """A text, with NUL and lone surrogates made visible: PostgreSQL's text type cannot hold them.

    Raises:
        TypeError: it is something else.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError("no text")
    return value.replace("\0", "␀").encode("utf-8", "backslashreplace").decode()


def identity(value: object) -> str:
    """An object's id.

    Raises:
        ValueError: it is none.
    """
    object_id = text(value)
    if not object_id or len(object_id) > LONGEST_ID:
        raise ValueError("no id")
    return object_id


def id_of(reference: object) -> str | None:
    """The id behind a field that holds an id or, expanded, the object itself."""
    value = reference["id"] if isinstance(reference, Mapping) else reference
    return None if value is None else identity(value)


def instant(value: object) -> datetime:
    """An instant, from the seconds since 1970.

    Raises:
        TypeError: it is something else.
        ValueError: it is none, or out of range.
    """
    moment = instant_if_any(value)
    if moment is None:
        raise ValueError("no instant")
    return moment


def instant_if_any(value: object) -> datetime | None:
    """An instant, from the seconds since 1970, where there is one.

    Raises:
        TypeError: it is something else.
        ValueError: it is out of range.
    """
    if not value:
        return None
    if not isinstance(value, int | float):
        raise TypeError("no instant")
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (OverflowError, OSError):
        raise ValueError("out of range") from None
