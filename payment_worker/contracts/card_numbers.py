"""Finds payment card numbers in text, as people write them, without taking every long number for one.

A number counts if its digits stand together or in groups, begin as some network's numbers do, are as many as
that network's, and pass Luhn's check. Chance numbers pass Luhn one time in ten, so the networks matter:
timestamps in milliseconds begin with 1, and refusing a payment for its timestamp would be our fault.
"""

import re
from collections.abc import Iterator
from itertools import accumulate

_MAY_HOLD_ONE = re.compile(r"\d(?:[\s._/\-‐‑‒–]{0,3}\d){12}")  # noqa: RUF001 - dashes as word processors set them
_RUN = re.compile(r"\d(?:[\s._/\-‐‑‒–]{0,3}\d){12,}")  # noqa: RUF001 - as above
_GROUP = re.compile(r"\d+")
# A random UUID holds a lookalike about once in 30,000: too often for what callers put into metadata.
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)

_NETWORK = re.compile(
    r"""
      4(?:\d{12}|\d{15}|\d{17,18})              # Visa
    | 5[0-8]\d{11,17}                           # Mastercard, Maestro
    | 2[2-7]\d{14,17}                           # Mastercard, Mir
    | 3[47]\d{13}                               # American Express
    | 3(?:0[0-5]\d|095|[689]\d\d)\d{10,15}      # Diners Club
    | 35\d{14,17}                               # JCB
    | 6\d{12,18}                                # Discover, UnionPay, Maestro, RuPay
    | 8[12]\d{14,17}                            # UnionPay, RuPay
    | 9792\d{12}                                # Troy
    """,
    re.VERBOSE,
)
_LENGTHS = range(13, 20)
_EAN_LENGTH = 13
_LEAST_GROUP = 3
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def has_card_number(text: str) -> bool:
    """Whether the text holds what looks like a card number."""
    return _MAY_HOLD_ONE.search(text) is not None and next(card_number_spans(text), None) is not None


def card_number_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the text's card numbers begin and end, left to right, without overlap."""
    uuids = [match.span() for match in _UUID.finditer(text)]
    for run in _RUN.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, run.start(), run.end())]
        yield from _spans_in(text, [group for group in groups if not _inside(group, uuids)])


def _inside(group: tuple[int, int], uuids: list[tuple[int, int]]) -> bool:
    return any(begin <= group[0] and group[1] <= end for begin, end in uuids)


def _spans_in(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(groups):
        last = _last_group_of_a_card(text, groups[first : first + max(_LENGTHS)])
        if last is not None:
            yield groups[first][0], groups[first + last][1]
            first += last
        first += 1


def _last_group_of_a_card(text: str, groups: list[tuple[int, int]]) -> int | None:
    lengths = [end - begin for begin, end in groups]
    for last, total in enumerate(accumulate(lengths)):
        if total > max(_LENGTHS):
            return None
        if total in _LENGTHS and _written_as_one(lengths[: last + 1]):
            digits = "".join(
                str(int(digit)) for begin, end in groups[: last + 1] for digit in text[begin:end]
            )
            if _is_card_number(digits):
                return last
    return None


def _written_as_one(lengths: list[int]) -> bool:
    # 4-4-4-4, 4-6-5, one by one: but a list of small numbers is a list of small numbers.
    return all(length >= _LEAST_GROUP for length in lengths[:-1]) or set(lengths) == {1}


def _is_card_number(digits: str) -> bool:
    return (
        _NETWORK.fullmatch(digits) is not None
        and _luhn_sum(digits) % 10 == 0
        # Thirteen digits are a barcode (EAN) far more often than one of the last century's Visa cards.
        and not (len(digits) == _EAN_LENGTH and _ean_sum(digits) % 10 == 0)
    )


def _luhn_sum(digits: str) -> int:
    backwards = digits[::-1]
    return sum(map(int, backwards[::2])) + sum(_DOUBLED[int(digit)] for digit in backwards[1::2])


def _ean_sum(digits: str) -> int:
    return sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))
