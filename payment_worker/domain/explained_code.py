"""The base class of enums whose members are one-word codes with a sentence for people."""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code of one word, which programs compare and store, with what people read beside it."""

    sentence: str
    """What it means."""
    remedy: str
    """What to do about it."""

    def __new__(cls, code: str, sentence: str = "", remedy: str = "") -> Self:
        """A member that is equal to its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.remedy = remedy
        return member
