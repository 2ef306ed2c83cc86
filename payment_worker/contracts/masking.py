"""Masks and bounds nested arguments before they are stored or logged."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from payment_worker.contracts.card_numbers import has_card_number
from payment_worker.contracts.mask_text import MASK, mask_text, without_card_numbers
from payment_worker.contracts.plain_text import plain

__all__ = ["MASK", "mask_text", "masked"]

_DEPTH = 8
_VALUES = 1_000
_TEXT_LENGTH = 2_000
_KEY_LENGTH = 200
# Dropped as well before the cut: a secret that is cut in half is still half a secret.
_MARGIN = 512
# Longer integers are no amounts, and Python itself cannot print those beyond 4,300 digits.
_INTEGER_BITS = 64
_PIECE_LENGTH = 19
"""Of a list whose texts are together a card number: as long as the longest number is."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SENSITIVE_WORDS = frozenset(
    {
        "apikey",
        "authorization",
        "card",
        "cookie",
        "credential",
        "credentials",
        "cvc",
        "cvn",
        "cvv",
        "iban",
        "pan",
    }
    | {"passphrase", "passwd", "password", "pwd", "secret", "secrets", "signature", "token", "tokens"}
)
_SENSITIVE_PHRASES = (("api", "key"), ("account", "number"), ("private", "key"), ("secret", "key"))
_SENSITIVE_PARTS = (
    "cardnumber",
    "creditcard",
    "password",
    "authtoken",
    "accesstoken",
    "clientsecret",
    "apikey",
)
"""However they are written: with words set together as well."""


def masked(value: object) -> object:
    """A copy that may be stored: plain JSON values, masked like text, bounded in depth, number and length."""
    return _Masker(values_left=_VALUES).value(value, _DEPTH)


def _short(text: str, length: int) -> str:
    if len(text) <= length:
        return mask_text(text)
    masked_text = mask_text(text[: length + _MARGIN])
    return f"{masked_text[: min(length, len(masked_text) - _MARGIN)]}… ({len(text)} characters)"


def _is_sensitive(key: str) -> bool:
    name = plain(key[:_KEY_LENGTH]).text
    words = [word.lower() for word in _WORD.findall(name)]
    joined = "".join(words)
    return (
        words == ["number"]
        or any(part in joined for part in _SENSITIVE_PARTS)
        or not _SENSITIVE_WORDS.isdisjoint(words)
        or any(pair in _SENSITIVE_PHRASES for pair in pairwise(words))
    )


def _is_card_in_pieces(values: Sequence[object]) -> bool:
    pieces = [str(each) for each in values[:_VALUES] if isinstance(each, str) or type(each) is int]
    return len(pieces) > 1 and has_card_number(
        " ".join(each for each in pieces if len(each) <= _PIECE_LENGTH)
    )


def _scalar(value: object) -> object:
    match value:
        case None | bool():
            return value
        case int():
            return _integer(value)
        case float() if math.isfinite(value):
            return _float(value)
        case bytes() | bytearray():
            return f"({len(value)} bytes)"
        case _:
            return _short(str(value), _TEXT_LENGTH)


def _integer(value: int) -> object:
    if value.bit_length() > _INTEGER_BITS:
        return f"(an integer of {value.bit_length()} bits)"
    text = str(value)
    masked_text = without_card_numbers(text)
    return value if masked_text == text else masked_text


def _float(value: float) -> object:
    """JSON's 4.2e15 is a whole number as well; those of cards have at most 19 digits."""
    masked_value = _integer(int(value)) if value.is_integer() and abs(value) < 1e19 else value  # noqa: PLR2004
    return masked_value if isinstance(masked_value, str) else value


@dataclass(slots=True)
class _Masker:
    """Walks a value once, counting what it has kept."""

    values_left: int

    def value(self, value: object, depth: int) -> object:
        self.values_left -= 1
        match value:
            case Mapping() | list() | tuple() | set() | frozenset() if depth == 0:
                return f"({len(value)} values, too deep)"
            case Mapping():
                return dict(self._items(value, depth - 1))
            case list() | tuple() | set() | frozenset():
                return list(self._elements(value, depth - 1))
            case _:
                return _scalar(value)

    def _items(self, mapping: Mapping[object, object], depth: int) -> Iterable[tuple[str, object]]:
        for count, (key, value) in enumerate(mapping.items()):
            if self.values_left <= 0:
                yield "…", f"({len(mapping) - count} more)"
                return
            name = _short(str(key), _KEY_LENGTH)
            if _is_sensitive(str(key)) and value is not None:
                yield name, MASK
            else:
                yield name, self.value(value, depth)

    def _elements(self, values: Iterable[object], depth: int) -> Iterable[object]:
        values = list(values)
        if _is_card_in_pieces(values):
            yield MASK
            return
        for value in values:
            if self.values_left <= 0:
                yield "… (more)"
                return
            yield self.value(value, depth)
