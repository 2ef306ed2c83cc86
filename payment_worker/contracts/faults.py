"""Describes validation errors of task arguments, without quoting a value."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import ErrorDetails, PydanticCustomError

from payment_worker.contracts.masking import mask_text

_FIELD_LENGTH = 100
_LONGEST_KEY = 1_000
"""Far beyond what is stored, so that no secret is cut in half, and short enough to be masked quickly."""

# pydantic's words and codes in ours: shorter, and certain never to hold the value.
_MESSAGES: Mapping[str, tuple[str, str]] = {
    "missing": ("missing", "is required"),
    "extra_forbidden": ("unknown", "is not an argument of this task"),
    "int_type": ("not_an_integer", "must be an integer, not a string, a fraction or a boolean"),
    "bool_type": ("not_a_boolean", "must be true or false"),
    "greater_than_equal": ("too_small", "must be at least {ge}"),
    "less_than_equal": ("too_great", "must be at most {le}"),
    "model_type": ("not_an_object", "must be an object"),
    "string_type": ("not_a_string", "must be a string"),
    "string_unicode": ("not_unicode", "must be valid Unicode"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "string_too_short": ("too_short", "must have at least {min_length} characters"),
    "string_pattern_mismatch": ("wrong_form", "must match {pattern}"),
    "literal_error": ("not_a_choice", "must be {expected}"),
    "dict_type": ("not_an_object", "must be an object"),
    "is_instance_of": ("not_a_uuid", "must be a UUID, as a string"),
    "datetime_type": ("not_an_instant", "must be a date or an instant in ISO 8601"),
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: `message` is a predicate of `field` and never quotes its value."""

    field: str
    code: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """As it is kept with the rejected request."""
        return {"field": self.field, "code": self.code, "message": self.message}


class InvalidRequest(Exception):  # noqa: N818 - a request is invalid, not an error of ours
    """The request is malformed; its message names every bad field."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.field} {error.message}" for error in errors))


def fault(code: str, message: str) -> PydanticCustomError:
    """What a validator raises: code and message are kept as they are, so they must not quote the value."""
    return PydanticCustomError(code, message, {"ours": True})


def field_error(detail: ErrorDetails) -> FieldError:
    """One of pydantic's errors in our words."""
    # The location may contain a key that the caller invented, and so anything at all.
    location = ".".join(str(part)[:_LONGEST_KEY] for part in detail["loc"] if part != "[key]")
    field = mask_text(location)[:_FIELD_LENGTH]
    context = detail.get("ctx", {})
    if context.get("ours"):
        return FieldError(field, detail["type"], detail["msg"])
    code, message = _MESSAGES.get(detail["type"], ("invalid", "is not valid"))
    return FieldError(field, code, message.format_map(context))
