"""Reads UUIDs in text that anybody may have written: metadata, arguments, what an operator types."""

from uuid import UUID


def as_uuid(value: object) -> UUID | None:
    """The UUID that a text is, in whatever way it is written; None for any other."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
