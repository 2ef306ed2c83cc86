"""Makes what came from outside fit to be kept: secrets masked, size bounded, nothing that JSON refuses."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from payment_worker.contracts.card_numbers import card_number_spans

MASK = "***"
_DEPTH = 8
_VALUES = 1_000
_TEXT_LENGTH = 2_000
_KEY_LENGTH = 200
# Dropped as well before the cut: a secret that is cut in half is still half a secret.
_MARGIN = 512
# Longer integers are no amounts, and Python itself refuses to print those beyond 4,300 digits.
_INTEGER_BITS = 64

# Loosely what stands on either side of an e-mail address's @. Looking behind keeps the search linear.
_ADDRESS = r"[^\s@<>\"'(),:;=*]"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A password in a URL, which may itself hold an @.
    (
        re.compile(r"(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]*://[^\s:/@]*):[^\s/]*@", re.IGNORECASE),
        rf"\1:{MASK}@",
    ),
    # Stripe's keys: secret, restricted, ephemeral, and the webhook's signing secret.
    (re.compile(r"\b((?:sk|rk|ek)_(?:live|test)_|whsec_|ek_)\w+"), rf"\1{MASK}"),
    # Whoever has a client secret may confirm the payment.
    (re.compile(r"\b([a-z]+_\w+?_secret_)\w+"), rf"\1{MASK}"),
    (re.compile(r"\b(bearer|basic)\s+[\w\-.~+/]{8,}=*", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(rf"(?<!{_ADDRESS}){_ADDRESS}+@{_ADDRESS}+\.[^\W\d_]{{2,}}"), f"{MASK}@{MASK}"),
)
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


def mask_text(text: str) -> str:
    """The text without card numbers, keys, client secrets, e-mail addresses and passwords in URLs.

    Of a card the last four digits stay. NUL and lone surrogates, which no database takes, are made visible.
    """
    text = text.replace("\0", "␀").encode("utf-8", "backslashreplace").decode()
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _without_card_numbers(text)


def masked(value: object) -> object:
    """A copy that may be kept: plain JSON values, masked like text, bounded in depth, number and length."""
    return _Masker(values_left=_VALUES).value(value, _DEPTH)


def _without_card_numbers(text: str) -> str:
    parts = []
    rest = 0
    for begin, end in card_number_spans(text):
        parts += [text[rest:begin], MASK, text[end - 4 : end]]
        rest = end
    return "".join([*parts, text[rest:]])


def _short(text: str, length: int) -> str:
    if len(text) <= length:
        return mask_text(text)
    kept = mask_text(text[: length + _MARGIN])
    return f"{kept[: min(length, len(kept) - _MARGIN)]}… ({len(text)} characters)"


def _is_sensitive(key: str) -> bool:
    words = [word.lower() for word in _WORD.findall(key[:_KEY_LENGTH])]
    return (
        words == ["number"]
        or not _SENSITIVE_WORDS.isdisjoint(words)
        or any(pair in _SENSITIVE_PHRASES for pair in pairwise(words))
    )


def _scalar(value: object) -> object:
    match value:
        case None | bool():
            return value
        case int():
            return _integer(value)
        case float() if math.isfinite(value):
            return value
        case bytes() | bytearray():
            return f"({len(value)} bytes)"
        case _:
            return _short(str(value), _TEXT_LENGTH)


def _integer(value: int) -> object:
    if value.bit_length() > _INTEGER_BITS:
        return f"(an integer of {value.bit_length()} bits)"
    text = str(value)
    hidden = _without_card_numbers(text)
    return value if hidden == text else hidden


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
        for kept, (key, value) in enumerate(mapping.items()):
            if self.values_left <= 0:
                yield "…", f"({len(mapping) - kept} more)"
                return
            name = _short(str(key), _KEY_LENGTH)
            if _is_sensitive(str(key)) and value is not None:
                yield name, MASK
            else:
                yield name, self.value(value, depth)

    def _elements(self, values: Iterable[object], depth: int) -> Iterable[object]:
        for value in values:
            if self.values_left <= 0:
                yield "… (more)"
                return
            yield self.value(value, depth)
