"""Masks secrets in text: card numbers, keys, client secrets, e-mail addresses, passwords."""

import base64
import re
from typing import Final

from payment_worker.contracts.card_numbers import card_number_spans
from payment_worker.contracts.plain_text import PlainText, plain, unescaped

MASK: Final = "***"
_PASSES: Final = 10
"""Masking may join the text before and after a secret into another one; each pass leaves less to find."""

_ENCODED_DEPTH: Final = 2
"""Base64 within base64 within base64 is no real message."""

# Loosely what stands on either side of an e-mail address's @. Looking behind keeps the search linear.
_ADDRESS = r"[^\s@<>\"'(),:;=*]"
_STRIPE_KEY = r"(?:sk|rk|ek|whsec)_(?:(?:org|live|test)_)*+"

_SECRETS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.VERBOSE), replacement)
    for pattern, replacement in (
        # A password in a URL, which may itself hold an @.
        (r"(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]*://[^\s:/@]*):[^\s/]*@", rf"\1:{MASK}@"),
        # Stripe's keys: secret, restricted, ephemeral, of an organisation, and the webhook's signing secret. Behind a
        # letter it is a name such as task_id, unless it goes on like a key.
        (rf"((?<![a-z]){_STRIPE_KEY})\w+", rf"\1{MASK}"),
        (r"((?:sk|rk|ek)_(?:org_)?(?:live|test)_)(?=\w*\d)\w{8,}", rf"\1{MASK}"),
        # Everybody who has a client secret can confirm the payment.
        (r"\b([a-z]+_\w+?_secret_)\w+", rf"\1{MASK}"),
        (r"\b(bearer|basic)\s+[\w\-.~+/]{8,}=*", rf"\1 {MASK}"),
        # The value after a name such as `password`, in unparsed text: JSON, a query, a header.
        (
            r"""
            ( (?:passwor[dt]|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|cvc|cvv|authorization)
              [\w-]{0,40} \\{0,3}["']? \s{0,3} [:=] \s{0,3} )
            (?: \\{0,3}"(?:[^"\\]|\\[^"])*\\{0,3}"? | '[^']*'? | (?:digest|bearer|basic)\s[^\s"']+ | [^\s,;&"'}\]]+ )
            """,
            rf"\1{MASK}",
        ),
        (rf"(?<!{_ADDRESS}){_ADDRESS}+@{_ADDRESS}+\.[^\W\d_]{{2,}}", f"{MASK}@{MASK}"),
    )
)
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_URL_SAFE: Final = str.maketrans("-_", "+/")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates, which no database accepts, made visible."""
    return text.replace("\0", "␀").encode("utf-8", "backslashreplace").decode()


def mask_text(text: str) -> str:
    """The text without card numbers, keys, client secrets, e-mail addresses and passwords, and storable.

    Of a card the last four digits stay.
    """
    return _masked(storable(text), _ENCODED_DEPTH)


def without_card_numbers(text: str) -> str:
    """The text with the last four digits of each card number."""
    parts, next_begin = [], 0
    for begin, end in card_number_spans(text):
        digits = [digit for digit in plain(text[begin:end]).text if digit.isdigit()]
        parts += [text[next_begin:begin], MASK, *digits[-4:]]
        next_begin = end
    return "".join([*parts, text[next_begin:]])


def _masked(text: str, depth: int) -> str:
    for _ in range(_PASSES):
        previous = text
        for pattern, replacement in _SECRETS:
            text = _substituted(pattern, replacement, text)
        text = without_card_numbers(text)
        if depth:
            text = _ENCODED.sub(lambda match: _masked_encoded(match.group(), depth - 1), text)
        if text == previous:
            break
    return text


def _substituted(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    text = _substituted_in(pattern, replacement, text, plain(text))
    escaped = unescaped(text)
    return _substituted_in(pattern, replacement, text, escaped) if escaped else text


def _substituted_in(pattern: re.Pattern[str], replacement: str, text: str, plain_text: PlainText) -> str:
    """The text with what the pattern finds in how it is read replaced where it stands."""
    parts, next_begin = [], 0
    for match in pattern.finditer(plain_text.text):
        begin, end = plain_text.span(*match.span())
        replaced = match.expand(replacement)
        parts += [text[next_begin:begin], text[begin:end] if replaced == match.group() else replaced]
        next_begin = end
    return "".join([*parts, text[next_begin:]])


def _masked_encoded(encoded: str, depth: int) -> str:
    normalized = encoded.rstrip("=").translate(_URL_SAFE)
    try:
        decoded = base64.b64decode(normalized[: len(normalized) // 4 * 4])
    except ValueError:
        return encoded
    text = storable(decoded.decode(errors="replace"))
    return encoded if _masked(text, depth) == text else MASK
