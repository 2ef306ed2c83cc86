"""Reads PostgreSQL's timestamps, and names those outside the range of Python's `datetime`."""

from datetime import datetime
from typing import Final, cast

from psycopg2 import extensions


class UnreadableInstantError(Exception):
    """A row has a time that no `datetime` holds, such as infinity. Nothing of ours writes one."""


def _read(text: str | None, cursor: extensions.cursor) -> datetime | None:
    try:
        return cast("datetime | None", extensions.PYDATETIMETZ(text, cursor))
    except (ValueError, OverflowError):
        raise UnreadableInstantError(
            f"A row of the Payment Database has the time {text}, which cannot be read: correct it."
        ) from None


INSTANTS: Final = extensions.new_type(extensions.PYDATETIMETZ.values, "INSTANTS", _read)
"""Registered on each connection of ours, and on no other's."""
