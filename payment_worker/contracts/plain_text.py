"""Normalises text before it is searched for secrets: digits of any script, look-alikes, invisible characters."""

import re
import unicodedata
from dataclasses import dataclass
from html import unescape
from typing import Final

_UNSEEN: Final = frozenset({"Cf", "Mn", "Me"})
"""Soft hyphens, zero-width characters and bidi controls, and marks that are set over another character."""

_ESCAPED: Final = re.compile(
    r"""%[0-9a-f]{2} | \\u[0-9a-f]{4} | \\x[0-9a-f]{2} | &\#x?[0-9a-f]{1,6}; | &[a-z]{2,8};""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text as it is read, with the way back to where each character stood."""

    text: str
    places: tuple[tuple[int, int], ...] | None
    """Where each of its characters begins and ends in the original text; None if both texts are equal."""

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """The position in the original text of a part of it that is not empty."""
        if self.places is None:
            return begin, end
        return self.places[begin][0], self.places[end - 1][1]


def plain(text: str) -> PlainText:
    """The text as a reader sees it."""
    if text.isascii():
        return PlainText(text, None)
    return _rebuilt([(character, at, at + 1) for at, character in enumerate(text)])


def unescaped(text: str) -> PlainText | None:
    """The same with escapes of URLs, JSON and HTML undone; None where the text has none."""
    escapes = list(_ESCAPED.finditer(text))
    if not escapes:
        return None
    parts, next_begin = [], 0
    for escape in escapes:
        parts += [(text[at], at, at + 1) for at in range(next_begin, escape.start())]
        parts.append((_unescaped_character(escape.group()), *escape.span()))
        next_begin = escape.end()
    parts += [(text[at], at, at + 1) for at in range(next_begin, len(text))]
    return _rebuilt(parts)


def _unescaped_character(escape: str) -> str:
    if escape.startswith("&"):
        return unescape(escape)
    return chr(int(escape.lstrip("%\\ux" if escape[0] == "\\" else "%"), 16))


def _rebuilt(parts: list[tuple[str, int, int]]) -> PlainText:
    characters = [(read, begin, end) for part, begin, end in parts for read in _read_text(part)]
    return PlainText(
        "".join(each for each, _, _ in characters), tuple((begin, end) for _, begin, end in characters)
    )


def _read_text(part: str) -> str:
    return part if part.isascii() else "".join(map(_character, part))


def _character(character: str) -> str:
    """One character as it is read: nothing, or what it is most like."""
    if character.isascii():
        return character
    if unicodedata.category(character) in _UNSEEN:
        return ""
    value = unicodedata.numeric(character, -1)
    if value in range(10):
        return str(int(value))
    normalized = unicodedata.normalize("NFKC", character)
    # A ligature stays the one character that it is, for between digits characters are counted.
    return normalized if len(normalized) == 1 or any(map(str.isdigit, normalized)) else character
