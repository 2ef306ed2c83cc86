"""Finds payment card numbers in text, however they are written, without taking every long number for one.

A number counts if at most three other characters are between any two of its digits, and the digits have the prefix and
the length of a card network's numbers and pass the Luhn check; an expiry may follow. Random numbers pass Luhn one time
in ten, so the prefixes matter: timestamps in milliseconds begin with 1, and must not get a payment rejected.
Excluded are formats known to be something else: UUIDs, hashes, Stripe's ids, timestamps, telephone numbers, fractions,
lists.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from payment_worker.contracts.plain_text import PlainText, plain, unescaped

_MOST_BETWEEN: Final = 3
_MAY_HOLD_ONE = re.compile(r"\d(?:\D{0,3}\d){12}")
_GROUP = re.compile(r"\d+")
_MAY_BE_ONE = re.compile(r"\d{13}")
_EXPIRY = re.compile(r"(?:0[1-9]|1[0-2])(?:20)?\d\d\d{0,4}")
"""An expiry that is written right behind a number, perhaps with the code from the card's back."""

_UUID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""A random one looks like a card number once in 100."""

_SOMETHING_ELSE = re.compile(
    rf"\b{_UUID.pattern}\b"
    r"""
    | \b(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})\b   # a hash
    | \b(?:19|20|21)\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|\x20?[+-]\d\d:?\d\d)?(?!\d)   # an instant
    | (?<!\d)\+\d{1,3}(?:[ ()./-]{1,3}\d+){1,6}                 # a telephone number
    | (?<![\d.,])\d{1,3}\.\d{10,17}(?![\d.,]*\d)               # a fraction as programs print it
    """,
    re.VERBOSE | re.IGNORECASE,
)
_STRIPE_ID: Final = re.compile(
    r"\b(?:acct|ch|cs_live|cs_test|ctoken|cus|dp|du|evt|fee|fr|in|issfr|mandate|pi|pm|po|prv|py|pyr|re|req|seti|src|sub"
    r"|tok|tr|trr|txn|we)_[0-9a-z]{14,64}\b",
    re.IGNORECASE,
)
"""Random letters and digits: read as digits with a few others between them, one in two million is a card number."""
_LONGEST_TELEPHONE: Final = 13
"""Digits. The norm allows 15, as many as American Express has."""

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
_LONGEST_WITH_EXPIRY: Final = max(_LENGTHS) + 10
_EAN_LENGTH = 13
_SHORTEST_LIST: Final = 6
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

Span = tuple[int, int]


def has_card_number(text: str) -> bool:
    """Whether the text contains what looks like a card number."""
    return next(card_number_spans(text), None) is not None


def card_number_spans(text: str) -> Iterator[Span]:
    """Where the text's card numbers begin and end, left to right, without overlap."""
    if _UUID.fullmatch(text):  # as most ids are, and found below as well, for ten times as much
        return
    plain_text = plain(text)
    spans = _in_plain(plain_text)
    if (unescaped_text := unescaped(text)) and (further_spans := _in_plain(unescaped_text)):
        spans = sorted({*spans, *further_spans})
    last_end = 0
    for begin, end in spans:
        if begin >= last_end:
            yield begin, end
            last_end = end


def _in_plain(plain_text: PlainText) -> list[Span]:
    if _MAY_HOLD_ONE.search(plain_text.text) is None:
        return []
    return [
        plain_text.span(*span) for run in _runs(plain_text.text) for span in _spans_in(plain_text.text, run)
    ]


def _runs(text: str) -> Iterator[list[Span]]:
    """Groups of digits that stand close enough to be one number's."""
    other_spans = [
        match.span() for match in _SOMETHING_ELSE.finditer(text) if _is_something_else(match.group())
    ]
    other_spans += [
        match.span() for match in _STRIPE_ID.finditer(text) if not _MAY_BE_ONE.search(match.group())
    ]
    run: list[Span] = []
    for group in (match.span() for match in _GROUP.finditer(text)):
        is_other = any(begin <= group[0] and group[1] <= end for begin, end in other_spans)
        if run and (is_other or group[0] - run[-1][1] > _MOST_BETWEEN):
            yield run
            run = []
        if not is_other:
            run.append(group)
    yield run


def _is_something_else(text: str) -> bool:
    if text.startswith("+"):
        return sum(map(str.isdigit, text)) <= _LONGEST_TELEPHONE
    # The same letter repeated is a separator between digits.
    return not text.isalnum() or len(set(re.findall("[a-z]+", text.lower()))) > 1


def _spans_in(text: str, groups: Sequence[Span]) -> Iterator[Span]:
    whole_index = next(
        (at for at, (begin, end) in enumerate(groups) if _is_card_number(text[begin:end])), None
    )
    if whole_index is not None:
        yield from _spans_in(text, groups[:whole_index])
        yield groups[whole_index]
        yield from _spans_in(text, groups[whole_index + 1 :])
        return
    next_begin = 0
    for first, (begin, _) in enumerate(groups):
        if begin >= next_begin and (
            end := _end_of_a_card(text, groups[first : first + _LONGEST_WITH_EXPIRY])
        ):
            yield begin, end
            next_begin = end


def _end_of_a_card(text: str, groups: Sequence[Span]) -> int | None:
    digits = ""
    for last, (begin, end) in enumerate(groups):
        length_before, digits = len(digits), digits + text[begin:end]
        for length in range(length_before + 1, len(digits) + 1):
            is_card = _is_card_number(digits[:length]) and _is_expiry_or_empty(digits[length:])
            if is_card and not _is_list(text, groups[: last + 1]):
                return end - (len(digits) - length)
        if len(digits) > max(_LENGTHS):
            return None
    return None


def _is_expiry_or_empty(digits: str) -> bool:
    return not digits or _EXPIRY.fullmatch(digits) is not None


def _is_list(text: str, groups: Sequence[Span]) -> bool:
    numbers = [int(text[begin:end]) for begin, end in groups]
    return len(numbers) >= _SHORTEST_LIST and all(one < other for one, other in pairwise(numbers))


def _is_card_number(digits: str) -> bool:
    return (
        len(digits) in _LENGTHS
        and _NETWORK.fullmatch(digits) is not None
        and _luhn_sum(digits) % 10 == 0
        # Thirteen digits are a barcode (EAN) far more often than one of the last century's Visa cards.
        and not (len(digits) == _EAN_LENGTH and _ean_sum(digits) % 10 == 0)
    )


def _luhn_sum(digits: str) -> int:
    backwards = digits[::-1]
    return sum(map(int, backwards[::2])) + sum(_DOUBLED[int(digit)] for digit in backwards[1::2])


def _ean_sum(digits: str) -> int:
    return sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))
