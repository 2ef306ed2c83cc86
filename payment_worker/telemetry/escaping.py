"""Escapes control and invisible characters before text is printed on a terminal."""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

_OBEYED_OR_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters (C0, C1, DEL), format characters (bidi, zero-width), half a surrogate pair, breaks of lines."""

_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0") | {
    chr(code) for block in (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for code in block
}
"""Letters and marks that take no place, or look like none."""

_PERHAPS: Final = re.compile(r"[^\x20-\x7e\n\t]")


def visible(text: str) -> str:
    r"""The text with what a terminal would interpret or hide as an escape, `\x1b`; line breaks and tabs stay."""
    return _escaped(text, lambda character: character.encode("unicode_escape").decode())


def visible_json(text: str) -> str:
    """The same for a JSON text, which stays the same JSON."""
    return _escaped(text, _json_escape)


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        character = match.group()
        is_hidden = unicodedata.category(character) in _OBEYED_OR_HIDDEN or character in _BLANK
        return escape(character) if is_hidden else character

    return _PERHAPS.sub(replacement, text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
